"""The embedded scorer: the tiny vision-language model behind the `Scorer` contract.

Valence and arousal are expected values over the digits of a rating, so they are continuous and
carry a spread. Explaining asks the same model for its cues in JSON; an answer that cannot be read
leaves the reading without cues and says so, and no number is ever made up.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from ..errors import ScorerAnswerError
from ..images import check_images
from ..lvlm.prompts import load_prompt
from ..lvlm.readout import (
    expected_digits,
)
from ..plane.words import nearest_words
from ..records.calibration import (
    Calibration,
)
from ..records.emotion import Emotion
from ..records.reading import (
    Cue,
    Reading,
)
from ..refining.base import (
    Refiner,
)
from .answers import Explanation, read_explanation
from .foreign import FOREIGN_WARNING, ForeignDetector, load_detector
from .lvlm import DrawnLvlm, load_lvlm

NAME = "embedded"
RATE_PROMPT = "drawn_rate_v1"
EXPLAIN_PROMPT = "drawn_explain_v1"
NUM_WORDS = 2
ROUNDING = 0.75 / math.sqrt(6)
"""Standard deviation, in scale points, of a feeling shared out to the two nearest digits (0.75
apart): f (1 - f) of a squared digit for a fraction f, a sixth on average."""
SMALLEST_SPREAD = 0.1
UNREADABLE_WARNING = "The scorer's explanation could not be read, so this reading names no cues."


class EmbeddedScorer:
    """Reads drawn pictures; warns when a picture is not one.

    Args:
        lvlm: the model; its ratings are digits on the 1..9 scale.
        detector: tells drawn pictures from others.
        calibration: applied to every reading and named in it.
    """

    name = NAME

    def __init__(
        self,
        lvlm: DrawnLvlm,
        detector: ForeignDetector,
        *,
        calibration: Calibration | None = None,
    ) -> None:
        self.lvlm = lvlm
        self.detector = detector
        self.calibration = calibration or Calibration()

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture, all pictures in one forward pass.

        Args:
            images: [B, H, W, 3] float in 0..1.
            prompt: what the pictures should show; with it, readings carry `content`.
        Raises: ImageError: unusable images. ScorerError.
        """
        started = time.perf_counter()
        images = check_images(images)
        joint, tokens = self.lvlm.rate(images, load_prompt(RATE_PROMPT))
        valence, arousal = (expected_digits(joint.logsumexp(axis)) for axis in (2, 1))
        content = self._content(images, prompt)
        warnings = [(FOREIGN_WARNING,) if odd else () for odd in self.detector.foreign(images)]
        seconds = (time.perf_counter() - started) / len(images)
        readings = []
        for index in range(len(images)):
            emotion, clipped = self.calibration.apply(
                float(valence[0][index]), float(arousal[0][index])
            )
            spread = self._spread(float(valence[1][index]), float(arousal[1][index]))
            readings.append(
                Reading(
                    emotion=emotion,
                    uncertainty=spread,
                    words=nearest_words(emotion, NUM_WORDS),
                    prompt_version=RATE_PROMPT,
                    model=NAME,
                    calibration=self.calibration.name,
                    clipped=clipped,
                    content=content[index],
                    warnings=warnings[index],
                    seconds=seconds,
                    tokens=tokens,
                )
            )
        return readings

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As `score`, with cues, words and rationale from a written answer for each picture."""
        images = check_images(images)
        readings = self.score(images, prompt=prompt)
        return [
            self._explained(image, reading) for image, reading in zip(images, readings, strict=True)
        ]

    def refiner(self) -> Refiner:
        """A refiner that asks the same model."""
        from .refiner import EmbeddedRefiner

        return EmbeddedRefiner(self.lvlm)

    def _explained(self, image: Tensor, reading: Reading) -> Reading:
        started = time.perf_counter()
        answer = self.lvlm.write(image, load_prompt(EXPLAIN_PROMPT))
        spent = replace(
            reading,
            raw_text=answer.text,
            prompt_version=EXPLAIN_PROMPT,
            seconds=reading.seconds + time.perf_counter() - started,
            tokens=reading.tokens + answer.tokens,
        )
        try:
            told = read_explanation(answer.text)
        except ScorerAnswerError:
            return replace(spent, warnings=(*reading.warnings, UNREADABLE_WARNING))
        return replace(
            spent,
            words=told.words or reading.words,
            cues=told.cues,
            rationale=_rationale(told, reading.emotion),
        )

    def _content(self, images: Tensor, prompt: str | None) -> list[float | None]:
        if not prompt or not prompt.strip():
            return [None] * len(images)
        from .clip import similarity

        return [float(value) for value in similarity(images, prompt)]

    def _spread(self, valence: float, arousal: float) -> tuple[float, float]:
        """Standard deviations of the emotion, from those of the digits."""
        return self.calibration.spread(_without_rounding(valence), _without_rounding(arousal))


def _without_rounding(spread: float) -> float:
    """The spread of the feeling alone: its digits add what two neighbours share between them."""
    return math.sqrt(max(spread**2 - ROUNDING**2, SMALLEST_SPREAD**2))


def _rationale(told: Explanation, emotion: Emotion) -> str:
    """The model's cues as one sentence."""
    if not told.cues:
        return f"Nothing stands out; it feels {emotion.category}."
    return "; ".join(_cause(cue) for cue in told.cues) + "."


def _cause(cue: Cue) -> str:
    return f"{cue.name} {cue.direction}" if cue.direction else cue.name


@lru_cache(maxsize=1)
def load_scorer() -> EmbeddedScorer:
    """The shipped scorer, loaded once.

    Raises: CheckpointError: weight files are missing or damaged; MissingDependencyError.
    """
    with torch.inference_mode(False):  # weights made in inference mode could not be trained later
        return EmbeddedScorer(load_lvlm(), load_detector())
