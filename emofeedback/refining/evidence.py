"""What cues do in *this* loop: the table's effects, corrected by every reading so far.

A Bayesian linear model, alike for both axes:

    reading = sum of the prompt's cues' effects in the table, clipped to the scale
              + base + sum of those cues' deviations + noise

`base` is what the content feels like without any cue. Both it and the deviations start at 0 with
the spreads below and are updated by the readings of all candidates of all rounds. So a cue that the
generator ignores loses its weight, and a cue that was tried is better known than one that was not.
A family that a prompt does not name counts with its mean, and its variance spreads the pictures.
Where the loop steers the aim too, it stands in the sum with a gain that starts at `AIM_GAIN` on its
own axis and is learnt with the rest; without one, nothing of that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..records.emotion import LIMIT, Emotion
from .cues import OPTIONS, UNNAMED, CueLevel
from .improvement import expected_improvement

BASE_SPREAD = 1.0
CUE_SPREAD = 0.35
"""A prompt of three cues then misses its sum by 0.6 an axis, as on the embedded generator."""
CANDIDATE_SPREAD = 0.3
"""Of the pictures of one prompt about their mean, on each axis."""
NEAREST = 0.5
"""Gap size that readings can tell from none: below it the loop goes on looking as if it were so."""
NAMED_COST = 0.03
"""Share of what can be won at all that one more named cue must win to be worth its words."""
READING_SPREAD = 0.6
"""Of one candidate's reading about its prompt's mean: pictures differ by 0.3, readings err by 0.4,
and the cues of one prompt disturb each other."""

AIM_GAIN, AIM_SPREAD = 0.8, 0.3
"""Points that pictures move for a point of the aim, before any reading, and how far that may be
wrong. An adapter is trained to give 1; near the rim it gives less."""


class Tried(NamedTuple):
    """A picture that was read."""

    cues: Sequence[CueLevel]
    """Of its prompt, one of `OPTIONS` for each family."""
    read: Emotion
    aim: Emotion | None = None
    """What the body was handed beside the words, if anything."""


@dataclass(frozen=True, slots=True)
class Combinations:
    """All that a prompt can name: one of `OPTIONS` for each family."""

    choices: np.ndarray
    """[N, families] option numbers; 0 leaves the family to chance."""
    columns: np.ndarray
    """[N, families] where each level stands in the model; the base is column 0."""
    effects: np.ndarray
    """[N, 2] summed effects of the table, clipped to the scale."""
    named: np.ndarray
    """[N] how many families are named."""
    chance: np.ndarray
    """[N, 2] variance of the pictures by what is left to chance."""
    veil: np.ndarray
    """[N] 0..1, the chance that the cues hide what the picture shows."""


@lru_cache(maxsize=1)
def combinations() -> Combinations:
    """The table of all combinations, made once."""
    levels = list(OPTIONS.values())
    grids = np.meshgrid(*(np.arange(len(family)) for family in levels), indexing="ij")
    choices = np.stack([grid.ravel() for grid in grids], axis=1)
    starts = 1 + np.cumsum([0, *(len(family) for family in levels[:-1])])
    columns = choices + starts
    effects = _effects()[columns].sum(1).clip(-LIMIT, LIMIT)
    veils = np.array([0.0, *(level.veil for family in levels for level in family)])
    veil = 1 - (1 - veils[columns]).prod(1)
    unnamed = choices == 0
    chance = unnamed @ np.array([each.variance for each in UNNAMED.values()])
    return Combinations(choices, columns, effects, (~unnamed).sum(1), chance, veil)


@lru_cache(maxsize=1)
def _effects() -> np.ndarray:
    """[1 + levels, 2] the table's effects; the base has none."""
    rows = [(level.valence, level.arousal) for family in OPTIONS.values() for level in family]
    return np.array([(0.0, 0.0), *rows])


@dataclass(frozen=True, slots=True)
class Evidence:
    """The model after some readings."""

    mean: np.ndarray
    """[1 + levels, 2] base and deviations; where an aim was handed out, two more rows: what its
    valence and its arousal move beyond `AIM_GAIN`."""
    covariance: np.ndarray
    """[rows, rows], the same for both axes."""

    @staticmethod
    def of(tried: Iterable[Tried]) -> Evidence:
        """The model after pictures that were read; of none, what the table says."""
        seen_all = [Tried(*each) for each in tried]
        aimed = any(each.aim is not None for each in seen_all)
        rows, missing = [], []
        for cues, read, aim in seen_all:
            row = _row(cues)
            promised = _promised(row, aim)
            if aimed:
                row = np.append(row, _point(aim))
            noise = np.sqrt(READING_SPREAD**2 + left_to_chance(cues).mean())
            rows.append(row / noise)
            missing.append((np.array([read.valence, read.arousal]) - promised) / noise)
        prior = _prior_variance()
        if aimed:
            prior = np.append(prior, [AIM_SPREAD**2] * 2)
        if not rows:
            return Evidence(np.zeros((len(prior), 2)), np.diag(prior))
        seen = np.stack(rows)
        covariance = np.linalg.inv(np.diag(1 / prior) + seen.T @ seen)
        mean = covariance @ seen.T @ np.stack(missing)
        return Evidence(mean, covariance)

    def feeling(self, cues: Sequence[CueLevel], aim: Emotion | None = None) -> tuple[float, float]:
        """Expected valence and arousal of a prompt with these cues, within the scale."""
        row = _row(cues)
        valence, arousal = np.clip(
            _promised(row, aim) + self._columns(row, aim) @ self.mean, -LIMIT, LIMIT
        )
        return float(valence), float(arousal)

    def doubt(self, cues: Sequence[CueLevel], aim: Emotion | None = None) -> float:
        """Standard deviation of `feeling` on each axis, in scale points."""
        row = self._columns(_row(cues), aim)
        return float(np.sqrt(row @ self.covariance @ row))

    def covariance_of(self, asked: Sequence[Tried]) -> np.ndarray:
        """[asked, asked] of `feeling` of several prompts and aims, the same for both axes."""
        rows = np.stack([self._columns(_row(each.cues), each.aim) for each in asked])
        return np.asarray(rows @ self.covariance @ rows.T)

    @property
    def gain(self) -> tuple[float, float]:
        """Points that pictures move for a point of the aim, on its own axis."""
        learnt = self._learnt()
        return AIM_GAIN + float(learnt[0, 0]), AIM_GAIN + float(learnt[1, 1])

    def expected_gaps(self, target: Emotion) -> np.ndarray:
        """[N] root mean square gap sizes of the prompts' means, of all `combinations()`.

        What is unknown of all of them alike is left out: it is no reason to prefer one.
        """
        return np.asarray(np.sqrt((self._missing(target) ** 2).sum(1) + 2 * self.variance()))

    def expected_best(self, target: Emotion, best: float, aim: Emotion | None = None) -> np.ndarray:
        """[N] the best gap size to expect after one more picture of each of `combinations()`.

        The loop keeps its best picture, so a prompt that may come near is worth a try even if it
        may also miss. A picture whose cues hide what it shows wins nothing, and words cost.

        Args:
            best: gap size of the best picture so far.
            aim: what the body will be handed beside the words.
        """
        table = combinations()
        spread = np.sqrt(self.variance(aim) + CANDIDATE_SPREAD**2 + table.chance.mean(1))
        missing = np.hypot(*self._missing(target, aim).T)
        won = (1 - table.veil) * expected_improvement(missing, spread, best)
        return np.asarray(best - won + NAMED_COST * won.max() * table.named)

    def best_gap(self, tried: Iterable[Tried], target: Emotion) -> float:
        """Gap size of the nearest picture so far, as far as one noisy reading can tell.

        Never below `NEAREST`: else every prompt but the best one looks equally hopeless.
        """
        sizes = []
        for cues, read, aim in (Tried(*each) for each in tried):
            chance = left_to_chance(cues)
            share = (CANDIDATE_SPREAD**2 + chance) / (READING_SPREAD**2 + chance)
            valence, arousal = self.feeling(cues, aim)
            steady = Emotion(
                valence + float(share[0]) * (read.valence - valence),
                arousal + float(share[1]) * (read.arousal - arousal),
            )
            sizes.append(target.gap_from(steady).size)
        return max(min(sizes), NEAREST)

    def _missing(self, target: Emotion, aim: Emotion | None = None) -> np.ndarray:
        table = combinations()
        promised = table.effects
        if aim is not None:
            summed = _effects()[table.columns].sum(1) + AIM_GAIN * _point(aim)
            promised = summed.clip(-LIMIT, LIMIT) + _point(aim) @ self._learnt()
        felt = promised + self.mean[0] + self.mean[table.columns].sum(1)
        return np.asarray(np.array([target.valence, target.arousal]) - np.clip(felt, -LIMIT, LIMIT))

    def _learnt(self) -> np.ndarray:
        """[2, 2] what the aim's valence and arousal move beyond `AIM_GAIN`."""
        learnt = self.mean[len(_effects()) :]
        return learnt if len(learnt) else np.zeros((2, 2))

    def _columns(self, row: np.ndarray, aim: Emotion | None) -> np.ndarray:
        """A prompt's row with the aim's columns, where the model has them."""
        return np.append(row, _point(aim)) if len(self.mean) > len(row) else row

    def variance(self, aim: Emotion | None = None) -> np.ndarray:
        """[N] of a prompt's mean on each axis, but for what all of them share."""
        table = combinations()
        variance = 2 * self.covariance[0, table.columns].sum(1)
        if len(self.mean) > len(_effects()):
            with_aim = self.covariance[: len(_effects()), len(_effects()) :] @ _point(aim)
            variance += 2 * with_aim[table.columns].sum(1)
        alone = not np.triu(self.covariance, 1).any()  # as before any reading
        for first, column in enumerate(table.columns.T):
            variance += self.covariance[column, column]
            for other in () if alone else table.columns.T[:first]:
                variance += 2 * self.covariance[column, other]
        return np.asarray(variance - variance.min())


def combination_of(cues: Sequence[CueLevel]) -> int:
    """Where some cues, one of `OPTIONS` for each family, stand in `combinations()`."""
    levels = OPTIONS.values()
    numbers = [family.index(level) for family, level in zip(levels, cues, strict=True)]
    return int(np.ravel_multi_index(numbers, [len(family) for family in levels]))


def _row(cues: Sequence[CueLevel]) -> np.ndarray:
    row = np.zeros(len(_effects()))
    row[0] = 1
    start = 1
    for family, level in zip(OPTIONS.values(), cues, strict=True):
        row[start + family.index(level)] = 1
        start += len(family)
    return row


def _point(aim: Emotion | None) -> np.ndarray:
    """[2], nothing where no aim was handed out."""
    return np.zeros(2) if aim is None else np.array([aim.valence, aim.arousal])


def _promised(row: np.ndarray, aim: Emotion | None) -> np.ndarray:
    """[2] what the table promises of a prompt's cues and of the aim."""
    summed = row @ _effects()
    if aim is not None:
        summed = summed + AIM_GAIN * _point(aim)
    return np.asarray(summed.clip(-LIMIT, LIMIT))


def left_to_chance(cues: Sequence[CueLevel]) -> np.ndarray:
    """[2] variance of the pictures of a prompt by what it leaves to chance."""
    return np.asarray(combinations().chance[combination_of(cues)])


@lru_cache(maxsize=1)
def _prior_variance() -> np.ndarray:
    """[1 + levels]; what is neutral or not named adds nothing of its own: that is the base."""
    spreads = [BASE_SPREAD]
    for family in OPTIONS.values():
        spreads += [CUE_SPREAD if level.name and not level.neutral else 1e-4 for level in family]
    return np.square(spreads)
