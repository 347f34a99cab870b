"""The rule refiner: picks affect phrases from the cue table, needs no model.

It goes by what was measured, not by what the prompt promised: a cue that the generator ignored
loses its weight, and the next round asks for more or for another one.
"""

from __future__ import annotations

import time
from collections.abc import Collection

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
from .base import Refiner
from .cues import NOTHING_NAMED, OPTIONS, CueLevel, direction, named_cues
from .evidence import Evidence, Tried, combinations
from .kept_words import settled_families, with_clause

NAME = "rules"
CHANGE_COST = 0.12
"""Gap size, in scale points, that one more named cue must win to be worth its words."""
MAX_CHANGES = 4
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
    best = choices[int(cost.argmin())]
    return tuple(family[index] for family, index in zip(levels, best, strict=True))


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


def tried_so_far(request: RefineRequest) -> list[Tried]:
    """The named cues and the reading of every candidate of this round and of earlier ones."""
    tried: list[Tried] = []
    for record in request.history:
        pairs = zip(record.prompts, record.readings, strict=True)
        tried += [(named_cues(p), read.emotion) for p, read in pairs if isinstance(read, Reading)]
    cues = named_cues(request.prompt)
    return tried + [(cues, reading.emotion) for reading in request.readings]


def prompt_costs(request: RefineRequest) -> np.ndarray:
    """[N] what each of `combinations()` is expected to bring as the next prompt; less is better."""
    tried = tried_so_far(request)
    evidence = Evidence.of(tried)
    return evidence.expected_best(request.target, evidence.best_gap(tried, request.target))


class RuleRefiner(Refiner):
    """Closes the measured gap with phrases from the cue table."""

    name = NAME

    def refine(self, request: RefineRequest) -> Refinement:
        """The artist's prompt, literally, with the clause that should come nearest."""
        started = time.perf_counter()
        before = named_cues(request.prompt)
        kept = settled_families(request.artist_prompt)
        after = choose_cues(before, request.target, prompt_costs(request), kept=kept)
        clause = affect_clause(tuple(level for level in after if level.family not in kept))
        return Refinement(
            prompt=with_clause(request.artist_prompt, clause),
            clause=clause,
            suggestions=change_suggestions(before, after),
            refiner=NAME,
            seconds=time.perf_counter() - started,
        )
