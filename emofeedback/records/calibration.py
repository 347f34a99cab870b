"""The affine map from raw readings to what people rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .emotion import Emotion, clipped_emotion


@dataclass(frozen=True, slots=True)
class Calibration:
    """A per-axis affine map fitted on rated pictures: calibrated = scale * raw + offset.

    Args:
        name: shown in every reading that used it.
        scale: for valence and for arousal.
        offset: for valence and for arousal, in scale points.
        unexplained: standard deviation, in scale points, of what separates calibrated readings from
            ratings beyond the spread that the readings state themselves.
    """

    name: str = ""
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    unexplained: tuple[float, float] = (0.0, 0.0)

    def apply(self, valence: float, arousal: float) -> tuple[Emotion, bool]:
        """The calibrated emotion and whether it had to be clipped to the scale."""
        return clipped_emotion(
            valence * self.scale[0] + self.offset[0], arousal * self.scale[1] + self.offset[1]
        )

    def spread(self, valence: float, arousal: float) -> tuple[float, float]:
        """Standard deviations of the calibrated readings, from those of the raw ones."""
        return (
            math.hypot(valence * self.scale[0], self.unexplained[0]),
            math.hypot(arousal * self.scale[1], self.unexplained[1]),
        )

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any]) -> Calibration:
        """Reads what a calibration's JSON file holds; earlier files say nothing of the spread."""
        scale, offset = record["scale"], record["offset"]
        left = record.get("unexplained", (0.0, 0.0))
        return cls(str(record["name"]), _pair(scale), _pair(offset), _pair(left))


def _pair(numbers: Sequence[float]) -> tuple[float, float]:
    return float(numbers[0]), float(numbers[1])
