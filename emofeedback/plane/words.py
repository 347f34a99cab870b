"""Emotions by word, each with where its place on the plane comes from.

Angles: Russell (1980), "A circumplex model of affect", J. Pers. Soc. Psychol. 39, 1161. Only the
words whose measured angle is known are offered; the distance from the centre is this project's
choice, since the circumplex gives a direction and not a strength.

The eight of Mikels et al. (2005), Behav. Res. Methods 37, 626, by which emotion data sets are
labelled, are categories without a place. Theirs is the mean rating of the word in the Glasgow Norms
(Scott et al. 2019, doi 10.3758/s13428-018-1099-3, CC BY 4.0), moved from 1..9 to -3..3. Lexica
disagree about some of them; `Preset.dispute` says where.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

from ..errors import ConfigError
from ..records.emotion import Emotion, from_scale

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


GLASGOW = "Glasgow Norms (Scott et al. 2019)"

# word -> mean valence and arousal on 1..9, and where other lexica (Warriner et al. 2013; NRC-VAD,
# Mohammad 2018) put the word on another side of neutral
MIKELS_RATINGS: dict[str, tuple[float, float, str]] = {
    "amusement": (7.63, 6.49, "Warriner has it slightly calm"),
    "awe": (7.34, 6.66, "Warriner has it calm, NRC-VAD slightly unpleasant"),
    "contentment": (8.16, 6.55, "rated as 'content (happy)'; Warriner has it slightly calm"),
    "excitement": (8.29, 7.70, ""),
    "anger": (2.53, 5.64, ""),
    "disgust": (2.37, 4.51, "Warriner has it neither calm nor activated, NRC-VAD activated"),
    "fear": (2.56, 5.17, ""),
    "sadness": (1.85, 3.77, ""),
}


@dataclass(frozen=True, slots=True)
class Preset:
    """A word and its place on the plane.

    Args:
        dispute: where other sources put it on another side of neutral, empty where they agree.
    """

    word: str
    emotion: Emotion
    source: str
    dispute: str = ""


def _russell(word: str, degrees: float) -> Preset:
    radians = math.radians(degrees)
    emotion = Emotion(
        round(STRENGTH * math.cos(radians), 2), round(STRENGTH * math.sin(radians), 2)
    )
    return Preset(word, emotion, f"Russell (1980), {degrees} degrees")


def _mikels(word: str, valence: float, arousal: float, dispute: str) -> Preset:
    emotion = Emotion(round(from_scale(valence, "sam9"), 4), round(from_scale(arousal, "sam9"), 4))
    return Preset(word, emotion, GLASGOW, dispute)


PRESETS: dict[str, Preset] = {
    "neutral": Preset("neutral", Emotion(0, 0), "the centre of the scale"),
    **{word: _russell(word, degrees) for word, degrees in RUSSELL_ANGLES.items()},
}
"""Words of the circumplex: those that describe readings."""
MIKELS: dict[str, Preset] = {word: _mikels(word, *row) for word, row in MIKELS_RATINGS.items()}
ALL_PRESETS: dict[str, Preset] = PRESETS | MIKELS


def preset_emotion(word: str) -> Emotion:
    """The emotion a word stands for.

    Raises: ConfigError: unknown word.
    """
    if word not in ALL_PRESETS:
        near = difflib.get_close_matches(word, ALL_PRESETS, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"The emotion word is {word!r}.{meant} Known words: {', '.join(ALL_PRESETS)}."
        )
    return ALL_PRESETS[word].emotion


def sources_in_words() -> str:
    """Where every word's place comes from, and where sources disagree, for tooltips."""
    angles = ", ".join(f"{word} {degrees:g}°" for word, degrees in RUSSELL_ANGLES.items())
    rated = ", ".join(
        f"{word} {preset.emotion.valence:+.1f}/{preset.emotion.arousal:+.1f}"
        for word, preset in MIKELS.items()
    )
    disputes = "; ".join(
        f"{word}: {preset.dispute}" for word, preset in MIKELS.items() if preset.dispute
    )
    return (
        f"Russell (1980), measured angles, {STRENGTH} from the centre: {angles}. Mikels' eight, "
        f"valence/arousal by the {GLASGOW}: {rated}. Sources disagree on {disputes}."
    )


def nearest_words(emotion: Emotion, count: int = 2) -> tuple[str, ...]:
    """The preset words nearest to an emotion, nearest first."""
    by_distance = sorted(PRESETS.values(), key=lambda preset: preset.emotion.gap_from(emotion).size)
    return tuple(preset.word for preset in by_distance[:count])
