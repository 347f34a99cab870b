"""What is in a picture of the drawn world, its true emotion, and how scenes are drawn by lot.

Two draws, because a caption that leaves a family out must mean "left to chance". The *even* one
covers the plane: there a cue tells of the others, so such a picture serves only with its emotion
or with every family named. The *chance* one names some families, any level alike, and draws the
others independently of them with the odds of the cue table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from emofeedback.refining.cues import FAMILIES, chances, content_effect, total_effect

from .vocabulary import PLACES, SUBJECTS

SPLITS = ("train", "held_out", "any")
DRAWS = ("both", "even", "chance")
_CELLS = 12
"""Cells along each axis of the plane; 0.5 units each."""
_NEAR = 0.3
"""Greatest distance to a wanted emotion, the reach promised for the 5 x 5 grid."""
_CUE_WEIGHT = 0.4
"""Odds of one level against the neutral one in the even draw; leaves each family neutral in about
a third."""
_NOTHING_NAMED = 0.3
"""Share of the chance draw whose captions need not name any family."""


@dataclass(frozen=True)
class Scene:
    """One picture: a subject in a place, one cue level per family, a seed for the layout."""

    place: str
    subject: str
    cues: tuple[str, ...]
    seed: int
    pinned: tuple[str, ...] = ()
    """Families that a caption must name: the others are left to chance."""

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise ValueError(f"place is {self.place!r}. Known: {', '.join(PLACES)}.")
        if self.subject not in SUBJECTS:
            raise ValueError(f"subject is {self.subject!r}. Known: {', '.join(SUBJECTS)}.")
        total_effect(self.cues)

    @property
    def emotion(self) -> tuple[float, float]:
        """True valence and arousal, each in [-3, 3]: effects of cues and content, clipped."""
        return total_effect(self.cues, content_effect(self.place, self.subject))

    @property
    def even(self) -> bool:
        """Whether every family must be named, or the emotion given."""
        return len(self.pinned) == len(FAMILIES)

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
    """All cue combinations: level indices [N, 6], summed effects [N, 2], weights [N]."""
    grids = np.meshgrid(*(np.arange(len(levels)) for levels in FAMILIES.values()), indexing="ij")
    indices = np.stack([grid.ravel() for grid in grids], axis=1)
    effects = np.zeros((len(indices), 2))
    for column, levels in enumerate(FAMILIES.values()):
        effects += np.array([(level.valence, level.arousal) for level in levels])[
            indices[:, column]
        ]
    return indices, effects, _CUE_WEIGHT ** (indices > 0).sum(axis=1)


def _emotions(content: tuple[float, float]) -> np.ndarray:
    """[N, 2] of all combinations in a picture with that effect of its content."""
    return np.asarray((_combinations()[1] + content).clip(-3, 3))


@lru_cache(maxsize=160)
def _cells(content: tuple[float, float]) -> list[np.ndarray]:
    """Combinations of each non-empty cell of the plane."""
    bins = np.minimum((_emotions(content) + 3) / 6 * _CELLS, _CELLS - 1).astype(int)
    numbers = bins[:, 0] * _CELLS + bins[:, 1]
    order = np.argsort(numbers, kind="stable").astype(np.int32)
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


@lru_cache(maxsize=64)
def _near(emotion: tuple[float, float], content: tuple[float, float]) -> np.ndarray:
    distances = np.linalg.norm(_emotions(content) - np.asarray(emotion), axis=1)
    return np.flatnonzero(distances <= max(_NEAR, distances.min() + 1e-9))


def _choose(rng: np.random.Generator, candidates: np.ndarray) -> tuple[str, ...]:
    indices, _, weights = _combinations()
    edges = np.cumsum(weights[candidates])
    chosen = candidates[np.searchsorted(edges, rng.random() * edges[-1], side="right")]
    return tuple(
        levels[index].name for levels, index in zip(FAMILIES.values(), indices[chosen], strict=True)
    )


def sample_cues(
    rng: np.random.Generator,
    *,
    emotion: tuple[float, float] | None = None,
    content: tuple[float, float] = (0.0, 0.0),
) -> tuple[str, ...]:
    """One level per family, drawn evenly over the plane.

    Args:
        emotion: Wanted (valence, arousal); within 0.3 of it where the world reaches it.
        content: Effect of the picture's place and subject.
    """
    if emotion is not None:
        return _choose(rng, _near((float(emotion[0]), float(emotion[1])), content))
    cells = _cells(content)
    return _choose(rng, cells[rng.integers(len(cells))])


def sample_unnamed(
    rng: np.random.Generator, pinned: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """One level per family: the pinned ones as given, every other one left to chance."""
    fixed = pinned or {}
    drawn = {
        family: levels[int(rng.choice(len(levels), p=chances(levels)))].name
        for family, levels in FAMILIES.items()
    }
    return tuple(fixed.get(family, drawn[family]) for family in FAMILIES)


def sample_scene(
    rng: np.random.Generator,
    *,
    split: str = "train",
    emotion: tuple[float, float] | None = None,
    draw: str = "both",
) -> Scene:
    """A random scene.

    Args:
        split: "train", "held_out" or "any".
        emotion: as for `sample_cues`; the draw is then the even one.
        draw: "even", "chance", or "both" alike.
    Raises: ValueError: an unknown split or draw.
    """
    if draw not in DRAWS:
        raise ValueError(f"draw is {draw!r}. Known: {', '.join(DRAWS)}.")
    pairs = _pairs(split)
    place, subject = pairs[rng.integers(len(pairs))]
    if emotion is None and (draw == "chance" or (draw == "both" and rng.random() < 0.5)):
        keep = rng.random() if rng.random() >= _NOTHING_NAMED else 0.0
        named = {
            family: levels[int(rng.integers(len(levels)))].name
            for family, levels in FAMILIES.items()
            if rng.random() < keep
        }
        cues, pinned = sample_unnamed(rng, named), tuple(named)
    else:
        content = content_effect(place, subject)
        cues, pinned = sample_cues(rng, emotion=emotion, content=content), tuple(FAMILIES)
    return Scene(place, subject, cues, int(rng.integers(2**31)), pinned)
