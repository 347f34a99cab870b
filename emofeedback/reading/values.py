"""A reading in plain numbers and in a few words: to branch on, to sort by, to name files with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import ConfigError
from ..plane.words import nearest_words
from ..records.emotion import Emotion
from ..records.reading import Outcome, Unread, measured

VALENCE, AROUSAL, GAP, UNCERTAINTY, CONTENT = VALUES = (
    "valence",
    "arousal",
    "gap",
    "uncertainty",
    "content",
)
BEST, MEAN, WORST, EACH = CHOICES = ("best", "mean", "worst", "each")


def value_of(reading: Outcome, name: str, target: Emotion | None = None) -> float | None:
    """One of `VALUES` of a reading, None where it is not known or there is no reading.

    Valence and arousal are scale points; the gap is the distance to the target and the uncertainty
    the mean of both standard deviations, in scale points; content is 0..1.
    """
    if isinstance(reading, Unread):
        return None
    if name == VALENCE:
        return reading.emotion.valence
    if name == AROUSAL:
        return reading.emotion.arousal
    if name == GAP:
        return None if target is None else target.gap_from(reading.emotion).size
    if name == UNCERTAINTY:
        return sum(reading.uncertainty) / 2
    return reading.content


def chosen_readings(
    readings: Sequence[Outcome], which: str, target: Emotion | None = None
) -> list[Outcome]:
    """What is known of each picture for "each", all readings for "mean", else one reading.

    The best is the nearest to the target, the worst the farthest from it.

    Raises: ConfigError: no readings, or no target for the best or the worst.
    """
    read = measured(readings)
    if not read:
        raise ConfigError("There are 0 readings. Score at least one image first.")
    if which in (EACH, MEAN):
        return list(readings if which == EACH else read)
    if target is None:
        raise ConfigError(f"The {which} reading is {which} for a target: connect one.")
    pick = min if which == BEST else max
    return [pick(read, key=lambda reading: target.gap_from(reading.emotion).size)]


def numbers_of(
    readings: Sequence[Outcome], name: str, which: str, target: Emotion | None = None
) -> list[float | None]:
    """One of `VALUES` for each chosen reading; the mean is one value, of those that are known.

    Raises: ConfigError: as `chosen_readings`.
    """
    values = [value_of(each, name, target) for each in chosen_readings(readings, which, target)]
    if which != MEAN:
        return values
    known = [value for value in values if value is not None]
    return [sum(known) / len(known) if known else None]


def file_words(emotion: Emotion) -> str:
    """An emotion as part of a file name: "calm_v+1.2_a-0.8"."""
    word = re.sub(r"[^a-z]+", "-", nearest_words(emotion, 1)[0].casefold())
    return f"{word}_v{emotion.valence + 0.0:+.1f}_a{emotion.arousal + 0.0:+.1f}"


def split_by(
    readings: Sequence[Outcome],
    name: str,
    threshold: float,
    *,
    at_most: bool,
    target: Emotion | None = None,
) -> tuple[list[int], list[int]]:
    """Indices of the readings whose value passes, and of the others; an unknown one never passes.

    Raises: ConfigError: the gap is asked for without a target.
    """
    if name == GAP and target is None:
        raise ConfigError("The gap is the distance to a target: connect one.")
    passing: list[int] = []
    others: list[int] = []
    for index, reading in enumerate(readings):
        value = value_of(reading, name, target)
        passes = value is not None and (value <= threshold if at_most else value >= threshold)
        (passing if passes else others).append(index)
    return passing, others
