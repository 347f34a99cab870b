"""The rule refiner: picks affect phrases from the cue table, needs no model.

It goes by what was measured, not by what the prompt promised: a cue that the generator ignored
loses its weight, and the next round asks for more or for another one.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from ..records.emotion import Emotion
from ..records.reading import Reading
from ..records.refinement import (
    Refinement,
    Suggestion,
)
from ..records.request import (
    RefineRequest,
)
from ..records.state import RoundRecord
from .base import Refiner
from .cues import NOTHING_NAMED, OPTIONS, CueLevel, direction, named_cues
from .evidence import Evidence, Tried, combinations
from .kept_words import settled_families, with_clause

NAME = "rules"
CHANGE_COST = 0.12
"""Gap size, in scale points, that one more named cue must win to be worth its words."""
MAX_CHANGES = 4
MOST_RANKED = 6
MAX_CLAUSE_WORDS = 22
"""Longer clauses no longer fit, with the artist's prompt, into a small text encoder's context."""


def choose_cues(
    current: tuple[CueLevel, ...],
    target: Emotion,
    cost: np.ndarray | None = None,
    *,
    kept: Collection[str] = (),
) -> tuple[CueLevel, ...]:
    """The levels that should come nearest to a target, in few words and few changes.

    Args:
        current: one of `OPTIONS` for each family.
        cost: [N] of each of `combinations()`; default: the gap size that the table promises and
            `CHANGE_COST` for each named cue.
        kept: families that must stay as they are.
    """
    return _ranked_cues(current, target, cost, kept, 1)[0]


def _ranked_cues(
    current: tuple[CueLevel, ...],
    target: Emotion,
    cost: np.ndarray | None,
    kept: Collection[str],
    count: int,
) -> list[tuple[CueLevel, ...]]:
    """As `choose_cues`, the best few of all."""
    choices = combinations().choices
    levels = list(OPTIONS.values())
    here = np.array([family.index(level) for family, level in zip(levels, current, strict=True)])
    if cost is None:
        cost = Evidence.of(()).expected_gaps(target) + CHANGE_COST * combinations().named
    cost = cost.copy()
    cost[(choices != here).sum(1) > MAX_CHANGES] = np.inf
    for index, family in enumerate(OPTIONS):
        if family in kept:
            cost[choices[:, index] != here[index]] = np.inf
    found = [cost.argmin()] if count == 1 else cost.argsort(kind="stable")[:count]
    return [
        tuple(family[index] for family, index in zip(levels, choices[place], strict=True))
        for place in found
        if np.isfinite(cost[place])
    ]


def affect_clause(cues: tuple[CueLevel, ...], *, max_words: int = MAX_CLAUSE_WORDS) -> str:
    """The named levels' phrases as one clause; the weakest go first where words run out."""
    named = [level for level in cues if level.phrases]
    named.sort(key=lambda level: -np.hypot(level.valence, level.arousal))
    phrases: list[str] = []
    for level in named:
        shortest = min(level.phrases, key=lambda phrase: len(phrase.split()))
        if sum(len(phrase.split()) for phrase in (*phrases, shortest)) <= max_words:
            phrases.append(shortest)
    return ", ".join(phrases)


def affect_phrase(emotion: Emotion) -> str:
    """The clause that should give a neutral picture this emotion; empty near neutral."""
    return affect_clause(choose_cues(NOTHING_NAMED, emotion))


def effect_in_words(level: CueLevel) -> str:
    """ "raises valence, lowers arousal", leaving out what it hardly moves."""
    return direction(level.valence, level.arousal, least=0.2)


def change_suggestions(
    before: tuple[CueLevel, ...], after: tuple[CueLevel, ...]
) -> tuple[Suggestion, ...]:
    """What to change to get from one set of cues to another, strongest effect first."""
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    changed.sort(
        key=lambda pair: (
            -np.hypot(pair[1].valence - pair[0].valence, pair[1].arousal - pair[0].arousal)
        )
    )
    return tuple(
        Suggestion(
            text=f"{new.family}: {old.label} -> {new.label}",
            cue=new.label,
            reason=effect_in_words(new) or f"takes back {old.label}",
        )
        for old, new in changed
    )


def tried_in(rounds: Sequence[RoundRecord]) -> list[Tried]:
    """The named cues, the reading and the aim of every candidate that was read."""
    return [
        Tried(named_cues(prompt), read.emotion, record.aim)
        for record in rounds
        for prompt, read in zip(record.prompts, record.readings, strict=True)
        if isinstance(read, Reading)
    ]


def tried_so_far(request: RefineRequest) -> list[Tried]:
    """As `tried_in`, of this round and of earlier ones."""
    tried = tried_in(request.history)
    prompts = request.prompts or (request.prompt,) * len(request.readings)
    return tried + [
        Tried(named_cues(prompt), reading.emotion, request.aim)
        for prompt, reading in zip(prompts, request.readings, strict=True)
    ]


def prompt_costs(request: RefineRequest) -> np.ndarray:
    """[N] what each of `combinations()` is expected to bring as the next prompt; less is better."""
    tried = tried_so_far(request)
    evidence = Evidence.of(tried)
    best = evidence.best_gap(tried, request.target)
    return evidence.expected_best(request.target, best, request.aim)


class RuleRefiner(Refiner):
    """Closes the measured gap with phrases from the cue table."""

    name = NAME

    def refine(self, request: RefineRequest) -> Refinement:
        """The artist's prompt, literally, with the clause that should come nearest."""
        return self._ranked(request, 1)[0]

    def ranked(self, request: RefineRequest) -> list[Refinement]:
        """As `refine`, and what should come next to it."""
        return self._ranked(request, MOST_RANKED)

    def _ranked(self, request: RefineRequest, count: int) -> list[Refinement]:
        started = time.perf_counter()
        before = named_cues(request.prompt)
        kept = settled_families(request.artist_prompt)
        ranked = _ranked_cues(before, request.target, prompt_costs(request), kept, count)
        found = []
        for after in ranked:
            clause = affect_clause(tuple(level for level in after if level.family not in kept))
            found.append(
                Refinement(
                    prompt=with_clause(request.artist_prompt, clause),
                    clause=clause,
                    suggestions=change_suggestions(before, after),
                    refiner=NAME,
                )
            )
        return [replace(found[0], seconds=time.perf_counter() - started), *found[1:]]
