"""Two scorers at once: the mean of both, and how far they disagree."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..plane.words import nearest_words
from ..records.emotion import Emotion
from ..records.reading import (
    Reading,
)
from ..refining.base import Refiner
from .base import Scorer

DISAGREEMENT = 1.0
"""Distance of two readings, in scale points, from which a person should look."""


class PairedScorer(Scorer):
    """Reads with two scorers.

    Args:
        first: also explains and refines.
        second: a second opinion.
    """

    def __init__(self, first: Scorer, second: Scorer) -> None:
        self.first, self.second = first, second
        self.name = f"{first.name} and {second.name}"
        self.abilities = first.abilities

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """The mean of both readings; their distance counts into the uncertainty.

        Raises: what either scorer raises.
        """
        both = (scorer.score(images, prompt=prompt) for scorer in (self.first, self.second))
        return [joined(*pair, model=self.name) for pair in zip(*both, strict=True)]

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As `score`, with the first scorer's cues, words and rationale."""
        told = self.first.explain(images, prompt=prompt)
        second = self.second.score(images, prompt=prompt)
        return [joined(*pair, model=self.name) for pair in zip(told, second, strict=True)]

    def read_text(self, prompt: str) -> Reading:
        """The first scorer's.

        Raises: ScorerError: it cannot "read text".
        """
        return self.first.read_text(prompt)

    def refiner(self) -> Refiner:
        """The first scorer's.

        Raises: ScorerError: it cannot rewrite prompts.
        """
        return self.first.refiner()


def joined(first: Reading, second: Reading, *, model: str) -> Reading:
    """One reading out of two of the same picture."""
    emotion = Emotion(
        (first.emotion.valence + second.emotion.valence) / 2,
        (first.emotion.arousal + second.emotion.arousal) / 2,
    )
    gap = first.emotion.gap_from(second.emotion)
    told = (
        f"The scorers disagree by {gap.size:.1f}: {first.model} reads {first.emotion}, "
        f"{second.model} reads {second.emotion}."
    )
    warnings = (*first.warnings, *second.warnings, *([told] if gap.size > DISAGREEMENT else []))
    known = [reading.content for reading in (first, second) if reading.content is not None]
    return replace(
        first,
        emotion=emotion,
        uncertainty=(
            _spread(first.uncertainty[0], second.uncertainty[0], gap.valence),
            _spread(first.uncertainty[1], second.uncertainty[1], gap.arousal),
        ),
        words=first.words if first.cues else nearest_words(emotion, 2),
        model=model,
        calibration=" / ".join(name for name in (first.calibration, second.calibration) if name),
        clipped=first.clipped or second.clipped,
        content=sum(known) / len(known) if known else None,
        warnings=tuple(dict.fromkeys(warnings)),
        seconds=first.seconds + second.seconds,
        tokens=first.tokens + second.tokens,
    )


def _spread(first: float, second: float, difference: float) -> float:
    """Standard deviation of an even mixture of two readings."""
    return float(((first**2 + second**2) / 2 + (difference / 2) ** 2) ** 0.5)
