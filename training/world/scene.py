"""What is in a picture of the drawn world, its true emotion, and how scenes are drawn by lot."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from emofeedback.refining.cues import FAMILIES, total_effect

from .vocabulary import PLACES, SUBJECTS

SPLITS = ("train", "held_out", "any")
_CELLS = 12
"""Cells along each axis of the plane; 0.5 units each."""
_NEAR = 0.3
"""Greatest distance to a wanted emotion, the reach promised for the 5 x 5 grid."""
_CUE_WEIGHT = 0.4
"""Odds of one level against the neutral one; leaves each family neutral in about a third."""


@dataclass(frozen=True)
class Scene:
    """One picture: a subject in a place, one cue level per family, a seed for the layout."""

    place: str
    subject: str
    cues: tuple[str, ...]
    seed: int

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise ValueError(f"place is {self.place!r}. Known: {', '.join(PLACES)}.")
        if self.subject not in SUBJECTS:
            raise ValueError(f"subject is {self.subject!r}. Known: {', '.join(SUBJECTS)}.")
        total_effect(self.cues)

    @property
    def emotion(self) -> tuple[float, float]:
        """True valence and arousal, each in [-3, 3]: the sum of the cue effects, clipped."""
        return total_effect(self.cues)

    def cue(self, family: str) -> str:
        """Name of this scene's level of a family."""
        return self.cues[tuple(FAMILIES).index(family)]


NEUTRAL_CUES: tuple[str, ...] = tuple(levels[0].name for levels in FAMILIES.values())


@cache
def held_out(place: str, subject: str) -> bool:
    """Whether pictures of this pair are kept from training: one place for each subject."""
    return PLACES.index(place) == (3 * SUBJECTS.index(subject) + 1) % len(PLACES)


@cache
def _pairs(split: str) -> tuple[tuple[str, str], ...]:
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}. Known: {', '.join(SPLITS)}.")
    pairs = ((place, subject) for place in PLACES for subject in SUBJECTS)
    return tuple(p for p in pairs if split == "any" or held_out(*p) == (split == "held_out"))


@cache
def _combinations() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All cue combinations: level indices [N, 6], emotions [N, 2], weights [N]."""
    grids = np.meshgrid(*(np.arange(len(levels)) for levels in FAMILIES.values()), indexing="ij")
    indices = np.stack([grid.ravel() for grid in grids], axis=1)
    emotions = np.zeros((len(indices), 2))
    for column, levels in enumerate(FAMILIES.values()):
        effects = np.array([(level.valence, level.arousal) for level in levels])
        emotions += effects[indices[:, column]]
    return indices, emotions.clip(-3, 3), _CUE_WEIGHT ** (indices > 0).sum(axis=1)


@cache
def _cells() -> list[np.ndarray]:
    """Combinations of each non-empty cell of the plane."""
    emotions = _combinations()[1]
    bins = np.minimum((emotions + 3) / 6 * _CELLS, _CELLS - 1).astype(int)
    numbers = bins[:, 0] * _CELLS + bins[:, 1]
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


@cache
def _sparse(num_cues: int) -> np.ndarray:
    return np.flatnonzero((_combinations()[0] > 0).sum(axis=1) == num_cues)


@lru_cache(maxsize=64)
def _near(emotion: tuple[float, float]) -> np.ndarray:
    distances = np.linalg.norm(_combinations()[1] - np.asarray(emotion), axis=1)
    return np.flatnonzero(distances <= max(_NEAR, distances.min() + 1e-9))


def _choose(rng: np.random.Generator, candidates: np.ndarray) -> tuple[str, ...]:
    indices, _, weights = _combinations()
    edges = np.cumsum(weights[candidates])
    chosen = candidates[np.searchsorted(edges, rng.random() * edges[-1], side="right")]
    return tuple(
        levels[index].name for levels, index in zip(FAMILIES.values(), indices[chosen], strict=True)
    )


def sample_cues(
    rng: np.random.Generator, *, emotion: tuple[float, float] | None = None
) -> tuple[str, ...]:
    """One level per family.

    Args:
        emotion: Wanted (valence, arousal); within 0.3 of it where the world reaches it. Without,
            80 % of the draws cover the plane evenly, 15 % carry one or two cues only (so that the
            effect of a single word can be learnt) and 5 % none.
    """
    if emotion is not None:
        return _choose(rng, _near((float(emotion[0]), float(emotion[1]))))
    kind = rng.random()
    if kind < 0.2:
        return _choose(rng, _sparse(0 if kind < 0.05 else 1 if kind < 0.13 else 2))
    cells = _cells()
    return _choose(rng, cells[rng.integers(len(cells))])


def sample_scene(
    rng: np.random.Generator, *, split: str = "train", emotion: tuple[float, float] | None = None
) -> Scene:
    """A random scene of a split ("train", "held_out" or "any"); see `sample_cues`."""
    pairs = _pairs(split)
    place, subject = pairs[rng.integers(len(pairs))]
    return Scene(place, subject, sample_cues(rng, emotion=emotion), int(rng.integers(2**31)))
