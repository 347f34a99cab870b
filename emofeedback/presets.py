"""Emotions by word, each with where its place on the plane comes from.

Angles: Russell (1980), "A circumplex model of affect", J. Pers. Soc. Psychol. 39, 1161. Only the
words whose measured angle is known are offered; the distance from the centre is this project's
choice, since the circumplex gives a direction and not a strength.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .emotion import Emotion
from .errors import ConfigError

STRENGTH = 2.2
CUSTOM = "custom"

# word -> degrees counter-clockwise from pleasure
RUSSELL_ANGLES: dict[str, float] = {
    "happy": 7.8,
    "delighted": 24.9,
    "excited": 48.6,
    "astonished": 69.8,
    "aroused": 73.8,
    "tense": 92.8,
    "alarmed": 96.5,
    "miserable": 188.7,
    "sad": 207.5,
    "droopy": 256.6,
    "tired": 267.7,
    "sleepy": 271.9,
    "calm": 316.2,
    "serene": 328.6,
    "pleased": 353.2,
}


@dataclass(frozen=True, slots=True)
class Preset:
    """A word and its place on the plane."""

    word: str
    emotion: Emotion
    source: str


def _russell(word: str, degrees: float) -> Preset:
    radians = math.radians(degrees)
    emotion = Emotion(
        round(STRENGTH * math.cos(radians), 2), round(STRENGTH * math.sin(radians), 2)
    )
    return Preset(word, emotion, f"Russell (1980), {degrees} degrees")


PRESETS: dict[str, Preset] = {
    "neutral": Preset("neutral", Emotion(0, 0), "the centre of the scale"),
    **{word: _russell(word, degrees) for word, degrees in RUSSELL_ANGLES.items()},
}


def preset_emotion(word: str) -> Emotion:
    """The emotion a word stands for.

    Raises: ConfigError: unknown word.
    """
    if word not in PRESETS:
        raise ConfigError(f"The emotion word is {word!r}. Known words: {', '.join(PRESETS)}.")
    return PRESETS[word].emotion


def nearest_words(emotion: Emotion, count: int = 2) -> tuple[str, ...]:
    """The preset words nearest to an emotion, nearest first."""
    by_distance = sorted(PRESETS.values(), key=lambda preset: preset.emotion.gap_from(emotion).size)
    return tuple(preset.word for preset in by_distance[:count])
