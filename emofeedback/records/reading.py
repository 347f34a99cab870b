"""What a scorer is asked and what it answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..errors import ImageError
from .emotion import Emotion, clipped_emotion, from_scale

NUM_DIGITS = 9


def _pair(numbers: Sequence[float]) -> tuple[float, float]:
    return float(numbers[0]), float(numbers[1])


@dataclass(frozen=True, slots=True)
class Cue:
    """A visible cause of emotion.

    Args:
        name: "storm sky", "warm light", ...
        direction: what it does, in words: "lowers valence, raises arousal".
        where: place in the picture, empty where unknown.
    """

    name: str
    direction: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The emotion of one picture as a scorer measured it.

    Args:
        emotion: on the [-3, 3] scale, calibrated.
        uncertainty: standard deviation of valence and of arousal, in scale points, calibrated.
        words: emotion words, may be empty.
        cues: visible causes, empty unless the scorer was asked to explain.
        rationale: why, in the scorer's own words.
        raw_text: the model's unparsed answer.
        prompt_version: which prompt file was used.
        model: which scorer read.
        calibration: name of the calibration applied, empty for none.
        clipped: the calibrated reading lay outside the scale, and was moved to its end.
        content: 0..1, does the picture still show the artist's prompt; None where unknown.
        warnings: what a person should know before believing this reading.
        seconds: time spent on this picture.
        tokens: LVLM tokens read and written for this picture.
    """

    emotion: Emotion
    uncertainty: tuple[float, float] = (0.0, 0.0)
    words: tuple[str, ...] = ()
    cues: tuple[Cue, ...] = ()
    rationale: str = ""
    raw_text: str = ""
    prompt_version: str = ""
    model: str = ""
    calibration: str = ""
    clipped: bool = False
    content: float | None = None
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    tokens: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON report."""
        record = asdict(self)
        record |= {"valence": self.emotion.valence, "arousal": self.emotion.arousal}
        del record["emotion"]
        return record


def with_explanation(reading: Reading, explanation: Reading) -> Reading:
    """The measured emotion of `reading` with the words, cues and cost of `explanation`."""
    return replace(
        reading,
        words=explanation.words or reading.words,
        cues=explanation.cues,
        rationale=explanation.rationale,
        raw_text=explanation.raw_text,
        prompt_version=explanation.prompt_version,
        warnings=tuple(dict.fromkeys((*reading.warnings, *explanation.warnings))),
        seconds=reading.seconds + explanation.seconds,
        tokens=reading.tokens + explanation.tokens,
    )


@runtime_checkable
class Scorer(Protocol):
    """Reads the viewer's emotion from pictures."""

    name: str

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture, quick: valence, arousal, uncertainty, content.

        Args:
            images: [B, H, W, 3] float in 0..1.
            prompt: the artist's prompt; with it, readings carry `content`.
        Raises: ImageError, ScorerError.
        """
        ...

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As `score`, with cues, words and rationale; slower."""
        ...


def expected_digits(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of a 1..9 rating from the logits of its nine numerals, on [-3, 3].

    Args:
        logits: [..., 9], numerals 1 to 9 in order.
    Returns: mean [...] and standard deviation [...], both in scale points.
    Raises: ImageError: the logits hold NaN, as they do for a broken picture.
    """
    if torch.isnan(logits).any():
        raise ImageError("The scorer's logits are NaN for this picture; check its pixel values.")
    levels = torch.tensor(
        [from_scale(digit, "sam9") for digit in range(1, NUM_DIGITS + 1)],
        dtype=torch.float32,
        device=logits.device,
    )
    weights = logits.float().softmax(-1)
    mean = (weights * levels).sum(-1)
    variance = (weights * (levels - mean.unsqueeze(-1)).square()).sum(-1)
    return mean, variance.sqrt()


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
