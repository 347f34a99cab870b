"""A choice among several proposals: what should win most by all readings of the loop so far.

A model is asked several times what to change. Taken is one of its proposals, a prompt of the cues
that its proposals name, or one that was drawn before. Where no answer can be read, the rule refiner
steps in, and the refinement says so. The artist's prompt stays literal.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..lvlm.answers import Rewrite
from ..lvlm.base import Written
from ..records.emotion import Emotion, Gap
from ..records.prompt import checked_prompt
from ..records.refinement import Refinement, Suggestion
from ..records.request import RefineRequest
from .base import Refiner
from .cues import OPTIONS, named_cues
from .evidence import Evidence, combination_of, combinations
from .kept_words import fitting_clause, settled_families, with_clause
from .rules import (
    MAX_CLAUSE_WORDS,
    RuleRefiner,
    affect_clause,
    change_suggestions,
    prompt_costs,
    tried_so_far,
)

STRETCH = (1.0, 1.0, 1.6, 1.6)
"""How many times the gap each proposal is asked to close: a generator draws cues weaker than words
mean them."""


class Proposer(Protocol):
    """What can be asked for one proposal after the other; `LvlmRefiner` can."""

    name: str

    def propose(
        self, request: RefineRequest, change: Gap, *, seed: int | None
    ) -> tuple[Rewrite | None, Written]:
        """What brings a change of feeling, None where the answer cannot be read; and the answer."""
        ...


class ChoosingRefiner(Refiner):
    """Asks for several proposals and takes what should win most.

    Args:
        proposer: is asked once for each of `STRETCH`: for its likeliest answer, then for others.
    """

    def __init__(self, proposer: Proposer) -> None:
        self.proposer, self.name = proposer, proposer.name

    def refine(self, request: RefineRequest) -> Refinement:
        """The next prompt: the artist's own, literally, with the chosen clause.

        Raises: as `ranked`.
        """
        return self.ranked(request)[0]

    def ranked(self, request: RefineRequest) -> list[Refinement]:
        """As `refine`, and what should come next to it; all that was spent stands in the first.

        Raises: ConfigError: the artist's prompt is empty. ScorerError: the model failed.
        """
        started = time.perf_counter()
        checked_prompt(request.artist_prompt)
        answers = self._asked(request)
        tokens = sum(written.tokens for _, written in answers)
        first = answers[0][1].text
        proposals = [
            self._proposal(request, rewrite, written.text)
            for rewrite, written in answers
            if rewrite is not None
        ]
        if proposals:
            best, *others = self._by_cost(request, proposals, first)
            best = replace(best, tokens=tokens)
        else:
            made = RuleRefiner().refine(request)
            told = (
                f"The {self.name} refiner answered {first[:60]!r} and nothing better in "
                f"{len(STRETCH)} tries; the rule refiner wrote this prompt instead."
            )
            others = []
            best = replace(
                made,
                refiner=f"{made.refiner} (for {self.name})",
                tokens=tokens,
                raw_text=first,
                warnings=(*made.warnings, told),
            )
        return [replace(best, seconds=time.perf_counter() - started), *others]

    def _asked(self, request: RefineRequest) -> list[tuple[Rewrite | None, Written]]:
        """The likeliest answer, then sampled ones, also to stretched gaps.

        The gap is that of the prompt by all readings, not of one picture by one.
        """
        evidence = Evidence.of(tried_so_far(request))
        felt = evidence.feeling(named_cues(request.prompt), request.aim)
        gap = request.target.gap_from(Emotion(*felt))
        first = len(request.history) * len(STRETCH)
        return [
            self.proposer.propose(
                request,
                Gap(gap.valence * stretch, gap.arousal * stretch),
                seed=first + number if number else None,
            )
            for number, stretch in enumerate(STRETCH)
        ]

    def _proposal(self, request: RefineRequest, rewrite: Rewrite, text: str) -> Refinement:
        clause = fitting_clause(rewrite.clause, request.artist_prompt, MAX_CLAUSE_WORDS)
        return Refinement(
            prompt=with_clause(request.artist_prompt, clause),
            clause=clause,
            suggestions=tuple(each for each in rewrite.suggestions if not _says_nothing(each)),
            refiner=self.name,
            raw_text=text,
        )

    def _by_cost(
        self, request: RefineRequest, proposals: list[Refinement], first: str
    ) -> list[Refinement]:
        costs = prompt_costs(request)
        known = [*proposals, *(replace(m, refiner=self.name) for m in _drawn_before(request))]
        composed = replace(_composed(request, known, costs), refiner=self.name, raw_text=first)
        # composed last, so that of equals the one that came with the model's own reasons is taken
        return sorted(
            (*known, composed),
            key=lambda made: costs[combination_of(named_cues(made.prompt))],
        )


def _composed(request: RefineRequest, proposals: list[Refinement], costs: np.ndarray) -> Refinement:
    """The best prompt of cues that any proposal names: the model says what, the readings which."""
    kept = settled_families(request.artist_prompt)
    named = [named_cues(made.prompt) for made in proposals]
    open_to = np.ones(len(costs), dtype=bool)
    for place, family in enumerate(OPTIONS.values()):
        levels = {cues[place] for cues in named}
        if family[0].family not in kept:
            levels.add(family[0])
        numbers = [family.index(level) for level in levels]
        open_to &= np.isin(combinations().choices[:, place], numbers)
    best = combinations().choices[int(np.where(open_to, costs, np.inf).argmin())]
    after = tuple(family[number] for family, number in zip(OPTIONS.values(), best, strict=True))
    clause = affect_clause(tuple(level for level in after if level.family not in kept))
    return Refinement(
        prompt=with_clause(request.artist_prompt, clause),
        clause=clause,
        suggestions=change_suggestions(named_cues(request.prompt), after),
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
        )
        for text, prompt in ({"keep the prompt": request.prompt} | again).items()
    ]


def _says_nothing(suggestion: Suggestion) -> bool:
    """Small models now and then swap a cue for itself; an artist need not read that."""
    return re.fullmatch(r"swap (.+) for \1", suggestion.text) is not None
