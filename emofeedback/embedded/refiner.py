"""The embedded refiner: shows the model the round's best picture and asks what to change.

The artist's prompt stays literal; the model writes only the affect clause. An answer that cannot be
read is asked for once more with sampling; then the rule refiner steps in, and the refinement says
so.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace

from ..cues import FAMILIES
from ..errors import ScorerAnswerError
from ..prompts import fill_prompt
from ..refining import Refinement, RefineRequest, Suggestion, checked_prompt, with_clause
from ..rules import MAX_CLAUSE_WORDS, RuleRefiner, named_cues
from .answers import RefineAnswer, read_refinement, signed
from .lvlm import DrawnLvlm

NAME = "embedded"
REFINE_PROMPT = "drawn_refine_v1"
MAX_PROMPT_WORDS = 24
"""The model has seen short prompts; of a long one it is shown the beginning."""


class EmbeddedRefiner:
    """Asks the embedded vision-language model for suggestions and an affect clause."""

    name = NAME

    def __init__(self, lvlm: DrawnLvlm) -> None:
        self.lvlm = lvlm

    def refine(self, request: RefineRequest) -> Refinement:
        """The next prompt: the artist's own, literally, with the model's clause.

        Raises: ConfigError: the artist's prompt is empty.
        """
        started = time.perf_counter()
        checked_prompt(request.artist_prompt)
        text, tokens, answer = self._ask(request)
        if answer is None:
            made = RuleRefiner().refine(request)
            return replace(
                made,
                refiner=f"{made.refiner} (for {NAME})",
                seconds=time.perf_counter() - started,
                tokens=tokens,
                raw_text=text,
                warnings=(
                    *made.warnings,
                    f"The embedded refiner answered {text[:60]!r}, twice unreadable; "
                    "the rule refiner wrote this prompt instead.",
                ),
            )
        clause = _fitting_clause(answer.clause, request.artist_prompt)
        return Refinement(
            prompt=with_clause(request.artist_prompt, clause),
            clause=clause,
            suggestions=tuple(each for each in answer.suggestions if not _says_nothing(each)),
            refiner=NAME,
            seconds=time.perf_counter() - started,
            tokens=tokens,
            raw_text=text,
        )

    def _ask(self, request: RefineRequest) -> tuple[str, int, RefineAnswer | None]:
        """The last answer's text, all tokens spent, and the answer if one could be read."""
        gap = request.target.gap_from(request.readings[request.best].emotion)
        prompt = fill_prompt(
            REFINE_PROMPT,
            prompt=" ".join(request.artist_prompt.split()[:MAX_PROMPT_WORDS]),
            valence=signed(gap.valence),
            arousal=signed(gap.arousal),
        )
        text, tokens = "", 0
        for seed in (None, len(request.history)):
            answer = self.lvlm.write(request.images[request.best], prompt, seed=seed)
            text, tokens = answer.text, tokens + answer.tokens
            try:
                return text, tokens, read_refinement(text)
            except ScorerAnswerError:
                continue
        return text, tokens, None


def _says_nothing(suggestion: Suggestion) -> bool:
    """The small model now and then swaps a cue for itself; an artist need not read that."""
    return re.fullmatch(r"swap (.+) for \1", suggestion.text) is not None


def _fitting_clause(clause: str, artist_prompt: str) -> str:
    """The clause without repeats, without what contradicts the artist, and not too long.

    A phrase of the cue table is dropped when the artist's own words settle its family, or when an
    earlier phrase did.
    """
    settled = {level.family for level in named_cues(artist_prompt) if level.phrases}
    kept: list[str] = []
    for phrase in (part.strip(" .;") for part in clause.split(",")):
        family = _family_of(phrase)
        words = sum(len(each.split()) for each in (*kept, phrase))
        if not phrase or phrase in kept or family in settled or words > MAX_CLAUSE_WORDS:
            continue
        if family is not None:
            settled.add(family)
        kept.append(phrase)
    return ", ".join(kept)


def _family_of(phrase: str) -> str | None:
    for family, levels in FAMILIES.items():
        if any(phrase.lower() in level.phrases for level in levels):
            return family
    return None
