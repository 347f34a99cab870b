"""Any vision-language model as a refiner: it sees the picture, the gap and what was tried before.

The artist's words stay as they are, in whatever language; the model writes only the clause behind
them. What it writes is checked: phrases that did not help are not tried again, the change is as
large as the gap asks for, and the whole prompt keeps to a token budget.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import ScorerAnswerError
from ..lvlm.answers import Rewrite, ask_twice, read_rewrite, read_rewrites, shortened
from ..lvlm.base import Ask, Lvlm, ProgressCallback, Written, unwatched
from ..lvlm.prompts import fill_prompt
from ..lvlm.schemas import REFINE_SCHEMA, REWRITES_SCHEMA
from ..plane.words import nearest_words
from ..records.emotion import Emotion, Gap
from ..records.prompt import (
    checked_prompt,
)
from ..records.refinement import (
    Refinement,
)
from ..records.request import (
    RefineRequest,
)
from .base import Refiner
from .kept_words import clause_in, phrases_in, with_clause
from .rules import RuleRefiner

TOKEN_BUDGET = 150
"""Of the whole prompt; generators with a T5 encoder take 256 and more, with CLIP alone 75."""
TOKENS_A_WORD = 1.4
WORDS_A_PHRASE = 6
MOST_HISTORY = 6
HELPED = 0.1
"""A gap that shrank by less, in scale points, was not helped."""
_MARKUP = str.maketrans("", "", "()[]{}<>\\|")


@dataclass(frozen=True, slots=True)
class ChangeSize:
    """How much to change for a gap.

    Args:
        below: gap size, in scale points, up to which it holds.
        words: as the model is told.
        phrases: at most this many new ones.
    """

    below: float
    words: str
    phrases: int


CHANGE_SIZES = (
    ChangeSize(0.5, "slight; one visible thing, a little", 1),
    ChangeSize(1.5, "clear; one or two visible things", 2),
    ChangeSize(3.0, "strong; two or three visible things", 3),
    ChangeSize(float("inf"), "very strong; light, weather, colours and surroundings together", 5),
)


def change_size(gap: Gap) -> ChangeSize:
    """The size of change that a gap asks for."""
    return next(size for size in CHANGE_SIZES if gap.size < size.below)


def signed(value: float) -> str:
    """A wanted change as prompts spell it: "+1.2"."""
    return f"{value + 0.0:+.1f}".replace("-0.0", "+0.0")


def change_in_words(gap: Gap) -> str:
    """ "much more pleasant (+2.1), a little calmer (-0.4)"."""
    parts = []
    for value, up, down in (
        (gap.valence, "more pleasant", "more unpleasant"),
        (gap.arousal, "more exciting", "calmer"),
    ):
        strength = "a little" if abs(value) < 0.75 else "clearly" if abs(value) < 2 else "much"
        if abs(value) >= 0.25:
            parts.append(f"{strength} {up if value > 0 else down} ({signed(value)})")
    return ", ".join(parts) or "hardly any; keep what works"


class LvlmRefiner(Refiner):
    """Asks a vision-language model for suggestions and an affect clause.

    Args:
        lvlm: the model, wherever it runs.
        token_budget: of the artist's words and the clause together, estimated.
        watch: called while it works; may raise to interrupt.
    """

    def __init__(
        self, lvlm: Lvlm, *, token_budget: int = TOKEN_BUDGET, watch: ProgressCallback = unwatched
    ) -> None:
        self.lvlm, self.token_budget, self.watch = lvlm, token_budget, watch
        self.name, self.several = lvlm.name, bool(lvlm.prompts.rewrites)

    def refine(self, request: RefineRequest) -> Refinement:
        """The next prompt: the artist's own, literally, with the model's clause.

        An answer that cannot be used is asked for once more; then the rule refiner steps in, and
        the refinement says so.

        Raises: ConfigError: the artist's prompt is empty. ScorerError: the model failed.
        """
        return self._refinements(request, 1)[0]

    def refine_several(self, request: RefineRequest, count: int) -> list[Refinement]:
        """At most `count` different next prompts for the best candidate, from one answer.

        The cost stands in the first one. A model that was not taught several gives one.
        """
        return self._refinements(request, count)

    def propose(
        self, request: RefineRequest, change: Gap, *, seed: int | None
    ) -> tuple[Rewrite | None, Written]:
        """What the model would do for a change of feeling, and its answer; unchecked.

        Args: seed: None takes its likeliest answer. Returns: None for what cannot be read.
        """
        prompts = self.lvlm.prompts
        question = fill_prompt(self._question(request), **self._values(request, change))
        ask = Ask(
            request.images[request.best],
            question,
            max_tokens=prompts.longest,
            seed=seed,
            schema=REFINE_SCHEMA,
        )
        try:
            (written,) = self.lvlm.write([ask], self.watch)
        finally:
            self.lvlm.release()
        try:
            return None if written.unfinished else read_rewrite(written.text), written
        except ScorerAnswerError:
            return None, written

    def _refinements(self, request: RefineRequest, count: int) -> list[Refinement]:
        started = time.perf_counter()
        checked_prompt(request.artist_prompt)
        answers: list[Written] = []
        try:
            rewrites, text, problem = ask_twice(
                lambda wrong: self._ask(request, count, wrong, answers),
                lambda text: self._usable(text, request),
            )
        finally:
            self.lvlm.release()
        tokens = sum(answer.tokens for answer in answers)
        warnings = tuple(dict.fromkeys(w for answer in answers for w in answer.warnings))
        if rewrites is None:
            made = [self._by_rules(request, text, problem)]
        else:
            made = [self._refinement(request, rewrite, text) for rewrite in rewrites[:count]]
        first = replace(
            made[0],
            seconds=time.perf_counter() - started,
            tokens=tokens,
            warnings=(*warnings, *made[0].warnings),
        )
        return [first, *made[1:]]

    def _ask(
        self, request: RefineRequest, count: int, wrong: str, answers: list[Written]
    ) -> Written:
        several = count > 1 and self.lvlm.prompts.rewrites
        prompt = self.lvlm.prompts.rewrites if several else self._question(request)
        question = fill_prompt(prompt, count=str(count), **self._values(request, _gap(request)))
        if wrong and self.lvlm.prompts.again:
            question += "\n\n" + fill_prompt(self.lvlm.prompts.again, problem=wrong)
        ask = Ask(
            request.images[request.best],
            question,
            max_tokens=320 * (count if several else 1),
            seed=len(request.history) + 1 if wrong else None,
            schema=REWRITES_SCHEMA if several else REFINE_SCHEMA,
        )
        answers.extend(self.lvlm.write([ask], self.watch))
        return answers[-1]

    def _question(self, request: RefineRequest) -> str:
        """The prompt file of one rewrite."""
        prompts = self.lvlm.prompts
        return prompts.edit if request.edits and prompts.edit else prompts.refine

    def _values(self, request: RefineRequest, gap: Gap) -> dict[str, str]:
        """What the prompt file may name, for a change of feeling."""
        reading = request.readings[request.best].emotion
        words = request.artist_prompt.split()
        shown = words[: self.lvlm.prompts.short] if self.lvlm.prompts.short else words
        return {
            "prompt": " ".join(shown).replace('"', "'"),
            "clause": clause_of(request) or "none",
            "reading": _felt(reading),
            "target": _felt(request.target),
            "change": change_in_words(gap),
            "size": change_size(gap).words,
            "history": history_in_words(request),
            "words": str(self._most_words(request)),
            "valence": signed(gap.valence),
            "arousal": signed(gap.arousal),
        }

    def _most_words(self, request: RefineRequest) -> int:
        """Words of a clause: by the size of the change, within what the budget leaves."""
        phrases = change_size(_gap(request)).phrases + len(phrases_in(clause_of(request)))
        left = int(self.token_budget / TOKENS_A_WORD) - len(request.artist_prompt.split())
        return max(0, min(phrases * WORDS_A_PHRASE, left))

    def _usable(self, text: str, request: RefineRequest) -> list[Rewrite]:
        """The rewrites with clauses that fit, different from each other.

        Raises: ScorerAnswerError: no JSON, or nothing in it that has not been tried in vain.
        """
        fitted: dict[str, Rewrite] = {}
        for rewrite in read_rewrites(text):
            clause = self._fitted(rewrite.clause, request)
            if clause:
                fitted.setdefault(clause, replace(rewrite, clause=clause))
        if not fitted and self._most_words(request) > 0:
            raise ScorerAnswerError(
                f"The model answered {shortened(text)}, which brings nothing that is new and fits. "
                "Name other visible things."
            )
        return list(fitted.values()) or [Rewrite((), "")]

    def _fitted(self, clause: str, request: RefineRequest) -> str:
        """The clause without markup, repeats, what the artist said and what did not help."""
        known = set(phrases_in(clause_of(request)))
        vain, own = vain_phrases(request), request.artist_prompt.casefold()
        new_left = change_size(_gap(request)).phrases
        kept: list[str] = []
        for phrase in phrases_in(clause.translate(_MARKUP).replace("embedding:", "")):
            key = phrase.casefold()
            words = sum(len(each.split()) for each in (*kept, phrase))
            if key in vain or key in own or phrase in kept or words > self._most_words(request):
                continue
            if phrase not in known:
                if new_left == 0:
                    continue
                new_left -= 1
            kept.append(phrase)
        return ", ".join(kept)

    def _refinement(self, request: RefineRequest, rewrite: Rewrite, text: str) -> Refinement:
        return Refinement(
            prompt=with_clause(request.artist_prompt, rewrite.clause),
            clause=rewrite.clause,
            suggestions=rewrite.suggestions,
            refiner=self.name,
            raw_text=text,
        )

    def _by_rules(self, request: RefineRequest, text: str, problem: str) -> Refinement:
        made = RuleRefiner().refine(request)
        told = f"{self.name} was asked twice for a rewrite: {problem} The rule refiner wrote it."
        return replace(
            made,
            refiner=f"{made.refiner} (for {self.name})",
            raw_text=text,
            warnings=(*made.warnings, told),
        )


def clause_of(request: RefineRequest) -> str:
    """What follows the artist's words in the prompt that made the pictures."""
    return clause_in(request.prompt, request.artist_prompt)


def vain_phrases(request: RefineRequest) -> set[str]:
    """Phrases (casefolded) added in a round whose gap did not shrink, and never in one that did."""
    vain: set[str] = set()
    helped: set[str] = set()
    for before, after, added in _steps(request):
        (helped if after < before - HELPED else vain).update(p.casefold() for p in added)
    return vain - helped


def history_in_words(request: RefineRequest) -> str:
    """The last rounds as lines for the model, empty in the first round."""
    lines = []
    for before, after, added in _steps(request)[-MOST_HISTORY:]:
        verdict = "nearer" if after < before - HELPED else "not nearer: do not use these again"
        if added:
            phrases = ", ".join(added)
            lines.append(f'- added "{phrases}": gap {before:.1f} to {after:.1f}, {verdict}')
    return "\n".join(["Tried before:", *lines]) if lines else ""


def _steps(request: RefineRequest) -> list[tuple[float, float, tuple[str, ...]]]:
    """For each change so far: gap size before and after it, and the phrases it added."""
    prompts = [record.prompt for record in request.history] + [request.prompt]
    gaps = [record.gap.size for record in request.history] + [_gap(request).size]
    clauses = [phrases_in(clause_in(prompt, request.artist_prompt)) for prompt in prompts]
    return [
        (gaps[i], gaps[i + 1], tuple(p for p in clauses[i + 1] if p not in clauses[i]))
        for i in range(len(prompts) - 1)
    ]


def _gap(request: RefineRequest) -> Gap:
    return request.target.gap_from(request.readings[request.best].emotion)


def _felt(emotion: Emotion) -> str:
    words: Sequence[str] = nearest_words(emotion, 2)
    return (
        f"{', '.join(words)} (valence {signed(emotion.valence)}, arousal "
        f"{signed(emotion.arousal)}, each from -3 to 3)"
    )
