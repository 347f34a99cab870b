"""The aim: an emotion that starts at the target and is moved by what was measured.

An integrating controller on each axis of its own. Its only memory is the aim itself, which never
leaves the scale: what lies beyond the rim is forgotten, so that nothing has to be unwound later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records.emotion import LIMIT, Emotion, Gap
from ..records.reading import Reading

DOUBT = 1.0
"""Standard deviation, in scale points, of what moves the aim by half of the gap: the common 0.5
moves it by 0.8."""
SUREST = 0.05
"""No reading is surer, whatever it says of itself: else it alone would count."""
LEAST_GAIN = 0.4
"""A body that answers less is corrected as if it answered so much: the aim would leap else."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a round was read as."""

    emotion: Emotion
    """The mean, by the readings' certainty."""
    doubt: tuple[float, float]
    """Standard deviation on each axis of one typical reading: pictures of one round are read by
    one model, which errs alike in all of them, so many are not surer."""


def measured_mean(readings: Sequence[Reading]) -> Measured:
    """The mean of at least one reading, on each axis by its certainty."""
    values = np.array([(each.emotion.valence, each.emotion.arousal) for each in readings])
    spreads = np.maximum([each.uncertainty for each in readings], SUREST)
    certainty = 1 / spreads**2
    mean = ((certainty * values).sum(0) / certainty.sum(0)).clip(-LIMIT, LIMIT)
    doubt = 1 / np.sqrt(certainty.mean(0))
    return Measured(Emotion(*mean.tolist()), (float(doubt[0]), float(doubt[1])))


def corrected_aim(
    aim: Emotion,
    gap: Gap,
    doubt: tuple[float, float],
    *,
    gain: tuple[float, float] = (1.0, 1.0),
) -> Emotion:
    """The aim moved against a gap, within the scale.

    Args:
        aim: what the pictures were made with.
        gap: target minus what they were read as, or what the coming ones are expected to be.
        doubt: standard deviation of the gap on each axis, in scale points; the more, the smaller
            the move.
        gain: points that pictures move for a point of the aim, on each axis.
    """
    moved = [
        here + missing * DOUBT**2 / (DOUBT**2 + spread**2) / max(answer, LEAST_GAIN)
        for here, missing, spread, answer in zip(
            (aim.valence, aim.arousal), (gap.valence, gap.arousal), doubt, gain, strict=True
        )
    ]
    return Emotion(*np.clip(moved, -LIMIT, LIMIT).tolist())
