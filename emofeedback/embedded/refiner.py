"""The embedded refiner: shows the model the round's best picture and asks what to change.

The artist's prompt stays literal; the model writes only the affect clause. It is asked several
times, and what should win most by all readings of the loop so far is taken: one of its proposals, a
prompt of the cues that its proposals name, or one that was drawn before. Where no answer can be
read, the rule refiner steps in, and the refinement says so.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace

import numpy as np

from ..errors import ScorerAnswerError
from ..lvlm.prompts import fill_prompt
from ..records.emotion import Emotion
from ..records.prompt import (
    checked_prompt,
    with_clause,
)
from ..records.refinement import (
    Refinement,
    Suggestion,
)
from ..records.request import (
    RefineRequest,
)
from ..refining.cues import FAMILIES
from ..refining.evidence import Evidence, combination_of, combinations
from ..refining.rules import (
    MAX_CLAUSE_WORDS,
    RuleRefiner,
    affect_clause,
    change_suggestions,
    named_cues,
    prompt_costs,
    tried_so_far,
)
from .answers import read_refinement, signed
from .lvlm import Answer, DrawnLvlm

NAME = "embedded"
REFINE_PROMPT = "drawn_refine_v1"
STRETCH = (1.0, 1.0, 1.6, 1.6)
"""How many times the gap each proposal is asked to close: a generator draws cues weaker than words
mean them."""
PROPOSALS = len(STRETCH)
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
        evidence = Evidence.of(tried_so_far(request))
        written = self._written(request, evidence)
        tokens = sum(answer.tokens for answer in written)
        proposals = [made for answer in written if (made := _proposal(request, answer.text))]
        if not proposals:
            made = RuleRefiner().refine(request)
            return replace(
                made,
                refiner=f"{made.refiner} (for {NAME})",
                seconds=time.perf_counter() - started,
                tokens=tokens,
                raw_text=written[0].text,
                warnings=(
                    *made.warnings,
                    f"The embedded refiner answered {written[0].text[:60]!r} and nothing better in "
                    f"{PROPOSALS} tries; the rule refiner wrote this prompt instead.",
                ),
            )
        proposals += _drawn_before(request)
        costs = prompt_costs(request)
        # the last, so that of equals the one that came with the model's own reasons is taken
        proposals.append(replace(_composed(request, proposals, costs), raw_text=written[0].text))
        chosen = min(proposals, key=lambda made: costs[combination_of(named_cues(made.prompt))])
        return replace(chosen, seconds=time.perf_counter() - started, tokens=tokens)

    def _written(self, request: RefineRequest, evidence: Evidence) -> list[Answer]:
        """The model's answers: the likeliest one, then sampled ones, also to stretched gaps."""
        felt = Emotion(*evidence.feeling(named_cues(request.prompt)))
        gap = request.target.gap_from(felt)
        prompts = [
            fill_prompt(
                REFINE_PROMPT,
                prompt=" ".join(request.artist_prompt.split()[:MAX_PROMPT_WORDS]),
                valence=signed(gap.valence * stretch),
                arousal=signed(gap.arousal * stretch),
            )
            for stretch in STRETCH
        ]
        image, first = request.images[request.best], len(request.history) * PROPOSALS
        seeds = (None, *range(first + 1, first + PROPOSALS))
        return [
            self.lvlm.write(image, prompt, seed=seed)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]


def _proposal(request: RefineRequest, text: str) -> Refinement | None:
    """What an answer proposes; None if it cannot be read."""
    try:
        answer = read_refinement(text)
    except ScorerAnswerError:
        return None
    clause = _fitting_clause(answer.clause, request.artist_prompt)
    return Refinement(
        prompt=with_clause(request.artist_prompt, clause),
        clause=clause,
        suggestions=tuple(each for each in answer.suggestions if not _says_nothing(each)),
        refiner=NAME,
        raw_text=text,
    )


def _composed(request: RefineRequest, proposals: list[Refinement], costs: np.ndarray) -> Refinement:
    """The best prompt of cues that any proposal names: the model says what, the readings which."""
    own = named_cues(request.artist_prompt)
    kept = {level.family for level in own if level.phrases}
    named = [named_cues(made.prompt) for made in proposals]
    open_to = np.ones(len(costs), dtype=bool)
    for place, family in enumerate(FAMILIES.values()):
        levels = {cues[place] for cues in named}
        if family[0].family not in kept:
            levels.add(family[0])
        numbers = [family.index(level) for level in levels]
        open_to &= np.isin(combinations().choices[:, place], numbers)
    best = combinations().choices[int(np.where(open_to, costs, np.inf).argmin())]
    after = tuple(family[number] for family, number in zip(FAMILIES.values(), best, strict=True))
    clause = affect_clause(tuple(level for level in after if level.family not in kept))
    return Refinement(
        prompt=with_clause(request.artist_prompt, clause),
        clause=clause,
        suggestions=change_suggestions(named_cues(request.prompt), after),
        refiner=NAME,
    )


def _drawn_before(request: RefineRequest) -> list[Refinement]:
    """The proposals to make more pictures of this prompt, or of an earlier round's."""
    earlier = {record.prompt: record.number for record in request.history}
    earlier.pop(request.prompt, None)
    again = {f"go back to the prompt of round {n}": prompt for prompt, n in earlier.items()}
    return [
        Refinement(
            prompt=prompt,
            clause=prompt.removeprefix(request.artist_prompt).strip(" ,"),
            suggestions=(Suggestion(text, reason="nothing proposed should come nearer by words"),),
            refiner=NAME,
        )
        for text, prompt in ({"keep the prompt": request.prompt} | again).items()
    ]


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
