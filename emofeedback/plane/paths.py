"""Paths over the valence-arousal plane: lines and splines through stations, and circles.

Every path is walked in steps of equal length, so that each picture differs from the one before it
by as much feeling as the next one will.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from ..errors import ConfigError
from ..records.emotion import LIMIT, Emotion, checked_axis
from .words import preset_emotion

LINE, SPLINE, CIRCLE = SHAPES = ("line", "spline", "circle")
MOST_POINTS = 100_000
SAMPLES = 128
"""Points that the length of a spline's piece is measured by."""
_NUMBERS = re.compile(r"[^\s/]+[\s/]+[^\s/]+")


def read_stations(text: str, *, least: int = 2) -> list[Emotion]:
    """Emotions from a list such as "sad, calm, 1.5 2, happy", parted by commas or line ends.

    Each is a word of `presets.ALL_PRESETS` or two numbers, valence and arousal.

    Raises: ConfigError: fewer than `least`, an unknown word, or a number off the scale.
    """
    entries = [entry.strip() for entry in re.split(r"[,;\n]", text) if entry.strip()]
    if len(entries) < least:
        raise ConfigError(
            f"The stations are {text!r}; a path needs two or more places. Write words or numbers "
            'with commas between them, for example "sad, calm, 1.5 2".'
        )
    return [_station(entry) for entry in entries]


def _station(entry: str) -> Emotion:
    if not _NUMBERS.fullmatch(entry):
        return preset_emotion(entry.lower())
    numbers = []
    for part in re.split(r"[\s/]+", entry):
        try:
            numbers.append(float(part))
        except ValueError:
            raise ConfigError(
                f"The station {entry!r} is neither one word nor two numbers. Write a word such as "
                "'serene', or valence and arousal such as '1.5 -2'."
            ) from None
    return Emotion(*numbers)


def line_path(stations: Sequence[Emotion], num_points: int) -> list[Emotion]:
    """Straight from station to station, both ends included.

    Raises: ConfigError: fewer than two points, or all stations in one place.
    """
    return _walk(_distinct(stations), num_points)


def spline_path(
    stations: Sequence[Emotion], num_points: int, *, closed: bool = False
) -> list[Emotion]:
    """A smooth curve through every station, both ends included.

    Args:
        closed: goes on from the last station to the first; the first is not repeated at the end,
            so that an animation of the pictures runs round without a halt.
    Returns: `num_points` emotions; where the curve swings off the scale it is clipped to it.
    Raises: ConfigError: fewer than two points, or all stations in one place.
    Source: centripetal Catmull-Rom (Yuksel et al. 2011, Comput. Aided Des. 43, 747): no loops or
        cusps between two stations.
    """
    corners = _distinct(stations)
    if closed and len(corners) > 2 and np.allclose(corners[0], corners[-1]):
        corners = corners[:-1]
    if closed:
        extended = np.vstack([corners[-1:], corners, corners[:2]])
    else:  # the end pieces mirrored
        extended = np.vstack([2 * corners[0] - corners[1], corners, 2 * corners[-1] - corners[-2]])
    pieces = [_segment(extended[i : i + 4]) for i in range(len(extended) - 3)]
    curve = np.vstack([*pieces, extended[-2:-1]])
    return _walk(curve.clip(-LIMIT, LIMIT), num_points, closed=closed)


def circle_path(
    radius: float, num_points: int, *, start_degrees: float = 0.0, clockwise: bool = False
) -> list[Emotion]:
    """Once round neutral; the first emotion is not repeated at the end.

    Args:
        radius: in scale points, above 0 up to 3.
        start_degrees: 0 is pleasure, 90 arousal.
    Raises: ConfigError: fewer than two points, a radius off the scale, or an angle that is no
        number.
    """
    _check_count(num_points)
    if checked_axis("radius", radius) <= 0:
        raise ConfigError(f"radius is {radius:g}; a circle needs one above 0, up to 3.")
    if not math.isfinite(start_degrees):
        raise ConfigError(f"start_degrees is {start_degrees}. Give an angle from 0 to 360.")
    turn = -1 if clockwise else 1
    angles = [
        math.radians(start_degrees) + turn * 2 * math.pi * index / num_points
        for index in range(num_points)
    ]
    return [_emotion(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


def check_cost(num_points: int, limit: int) -> None:
    """Refuses a path that would take longer than somebody meant.

    Raises: ConfigError: more points than the limit, with what they cost.
    """
    _check_count(num_points)
    if num_points > limit:
        raise ConfigError(
            f"The path has {num_points} points, and each is one whole picture: {num_points} times "
            f"what one costs now. The limit is {limit}. Take fewer points, or raise the limit if "
            "you mean it."
        )


def _check_count(num_points: int) -> None:
    if num_points < 2:
        raise ConfigError(f"The path has {num_points} points; it needs two or more.")
    if num_points > MOST_POINTS:
        raise ConfigError(f"The path has {num_points} points; it holds {MOST_POINTS} at most.")


def _distinct(stations: Sequence[Emotion]) -> np.ndarray:
    """The stations [N, 2] without those that repeat the one before."""
    points = np.array([(each.valence, each.arousal) for each in stations], dtype=float)
    moved = np.append(True, np.abs(np.diff(points, axis=0)).sum(1) > 1e-9)
    if moved.sum() < 2:
        raise ConfigError(
            "All stations of the path lie in one place, so there is no way between them. "
            "Choose at least two different emotions."
        )
    return np.asarray(points[moved])


def _segment(corners: np.ndarray) -> np.ndarray:
    """The curve from the second to the third of four corners [4, 2], without its end.

    Source: Barry and Goldman (1988), SIGGRAPH 22, 199: the pyramid of interpolations.
    """
    knots = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1) ** 0.5))
    at = np.linspace(knots[1], knots[2], SAMPLES, endpoint=False)[:, None]
    level = list(corners)
    for width in (1, 2, 3):
        level = [
            _between(level[i], level[i + 1], _knot_span(knots, i, width), at)
            for i in range(len(level) - 1)
        ]
    return np.asarray(level[0])


def _knot_span(knots: np.ndarray, index: int, width: int) -> tuple[float, float]:
    """The knots between which the pyramid's level of this width interpolates."""
    if width == 3:  # the last level spans the segment itself
        return knots[1], knots[2]
    return knots[index], knots[index + width]


def _between(
    first: np.ndarray, second: np.ndarray, span: tuple[float, float], at: np.ndarray
) -> np.ndarray:
    share = (at - span[0]) / (span[1] - span[0])
    return np.asarray((1 - share) * first + share * second)


def _walk(corners: np.ndarray, num_points: int, *, closed: bool = False) -> list[Emotion]:
    """Points at equal distances along straight pieces between corners [N, 2]."""
    _check_count(num_points)
    reached = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1)))
    at = np.linspace(0, reached[-1], num_points, endpoint=not closed)
    axes = [np.interp(at, reached, corners[:, axis]) for axis in (0, 1)]
    return [_emotion(*point) for point in np.stack(axes, 1).tolist()]


def _emotion(valence: float, arousal: float) -> Emotion:
    """With no more digits than anybody reads."""
    return Emotion(round(valence, 4), round(arousal, 4))
