"""Valence and arousal: the value, its scales and its words for regions of the plane.

Valence runs from unpleasant to pleasant, arousal from calm to activated, both in [-3, 3] with 0
neutral, as the picture evokes them in its viewer. Other scales enter and leave only through the
named conversions here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..errors import ConfigError

LIMIT = 3.0
NEUTRAL_RADIUS = 0.5

# name -> (lowest, highest) of a scale that maps affinely onto [-3, 3]
SCALES: dict[str, tuple[float, float]] = {
    "emotion": (-3.0, 3.0),
    "sam9": (1.0, 9.0),  # Self-Assessment Manikin, as LVLMs are asked
    "likert7": (1.0, 7.0),  # OASIS
    "likert5": (1.0, 5.0),  # Q-Insight
    "signed": (-1.0, 1.0),
    "unit": (0.0, 1.0),  # NRC-VAD v1
}

_RANGE = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*\.\.\s*([+-]?\d+(?:\.\d+)?)\s*")

# Russell (1980): sectors of 45 degrees around the anchors, counter-clockwise from pleasure.
CATEGORIES = (
    "pleasure",
    "excitement",
    "arousal",
    "distress",
    "displeasure",
    "depression",
    "sleepiness",
    "relaxation",
)


def checked_axis(name: str, value: float) -> float:
    """The value as a float if it lies in [-3, 3].

    Raises: ConfigError: not a number, NaN, or outside the scale; the message names the axis.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{name} is {value!r}, which is not a number. Give a number from -3 to 3."
        ) from None
    if not -LIMIT <= number <= LIMIT:  # False for NaN too
        raise ConfigError(
            f"{name} is {value}, outside the scale from -3 to 3 (0 is neutral). "
            "Choose a value on the scale; other scales convert with emofeedback.from_scale."
        )
    return number


@dataclass(frozen=True, slots=True)
class Gap:
    """Target minus reading, per axis, in scale points (each in [-6, 6])."""

    valence: float
    arousal: float

    @property
    def size(self) -> float:
        """Euclidean length, in scale points."""
        return math.hypot(self.valence, self.arousal)


@dataclass(frozen=True, slots=True)
class Emotion:
    """A point on the valence-arousal plane.

    Args:
        valence: unpleasant (-3) to pleasant (3).
        arousal: calm (-3) to activated (3).
    Raises: ConfigError: a value is NaN or outside [-3, 3].
    """

    valence: float
    arousal: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "valence", checked_axis("valence", self.valence))
        object.__setattr__(self, "arousal", checked_axis("arousal", self.arousal))

    def gap_from(self, reading: Emotion) -> Gap:
        """What is missing on each axis when `reading` was measured and self is the target."""
        return Gap(self.valence - reading.valence, self.arousal - reading.arousal)

    @property
    def category(self) -> str:
        """One of `CATEGORIES`, or "neutral" within a radius of 0.5."""
        if math.hypot(self.valence, self.arousal) < NEUTRAL_RADIUS:
            return "neutral"
        angle = math.degrees(math.atan2(self.arousal, self.valence))
        return CATEGORIES[round(angle / 45) % 8]

    def __str__(self) -> str:
        return f"valence {self.valence:+z.2f}, arousal {self.arousal:+z.2f} ({self.category})"


def clipped_emotion(valence: float, arousal: float) -> tuple[Emotion, bool]:
    """The nearest point on the scale, and whether anything had to be clipped.

    Raises: ConfigError: a value is NaN.
    """
    for name, value in (("valence", valence), ("arousal", arousal)):
        if math.isnan(value):
            raise ConfigError(f"{name} is NaN, so there is no nearest point on the scale.")
    inside = [min(max(value, -LIMIT), LIMIT) for value in (valence, arousal)]
    return Emotion(*inside), inside != [valence, arousal]


def scale_bounds(scale: str) -> tuple[float, float]:
    """Lowest and highest value of a scale: one of `SCALES`, or written as LOW..HIGH ("1..10").

    Raises: ConfigError: neither, or LOW is not below HIGH.
    """
    if scale in SCALES:
        return SCALES[scale]
    ends = _RANGE.fullmatch(scale.replace("−", "-"))
    if ends and float(ends[1]) < float(ends[2]):
        return float(ends[1]), float(ends[2])
    known = ", ".join(f"{name} ({low:g}..{high:g})" for name, (low, high) in SCALES.items())
    raise ConfigError(
        f"The scale is {scale!r}. Known scales: {known}; any other is written as LOW..HIGH, say "
        "1..10."
    )


def from_scale(value: float, scale: str) -> float:
    """A value of a scale on [-3, 3]; values beyond the scale's ends go beyond 3 alike.

    Raises: as `scale_bounds`.
    """
    low, high = scale_bounds(scale)
    return ((value - low) / (high - low) * 2 - 1) * LIMIT


def to_scale(value: float, scale: str) -> float:
    """The inverse of `from_scale`."""
    low, high = scale_bounds(scale)
    return low + (value / LIMIT + 1) / 2 * (high - low)
