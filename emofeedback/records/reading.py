"""What a scorer answers: the measured emotion of one picture, and the cues behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .emotion import Emotion


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
        content: 0..1, does the picture still show the artist's prompt, or how much it keeps of
            the picture that it is an edit of; None where unknown.
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
        record = asdict(self) | {"valence": self.emotion.valence, "arousal": self.emotion.arousal}
        del record["emotion"]
        return {name: list(v) if isinstance(v, tuple) else v for name, v in record.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Stands where a reading would, of a picture that could not be read.

    Args:
        why: what the scorer said, or what was wrong with its answer.
    """

    why: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON report."""
        return {"unread": self.why}


Outcome = Reading | Unread
"""What asking a scorer about one picture came to."""


def measured(outcomes: Sequence[Outcome]) -> list[Reading]:
    """The readings among the outcomes, in order."""
    return [outcome for outcome in outcomes if isinstance(outcome, Reading)]


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
