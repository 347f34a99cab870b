import math
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline

from emofeedback.errors import ConfigError
from emofeedback.plane.paths import (
    check_cost,
    circle_path,
    line_path,
    read_stations,
    spline_path,
)
from emofeedback.plane.words import preset_emotion
from emofeedback.records.emotion import Emotion

AXIS = st.floats(-3, 3).map(lambda value: round(value, 2))
STATIONS = st.lists(st.builds(Emotion, AXIS, AXIS), min_size=2, max_size=6).filter(
    lambda each: len(set(each)) > 1
)

# a busy machine is no failure
QUICK = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def as_array(emotions: list[Emotion]) -> np.ndarray:
    return np.array([(each.valence, each.arousal) for each in emotions])


def test_stations_are_words_or_numbers() -> None:
    stations = read_stations("sad, 1.5 -2; Awe\n-1/0.5")
    assert stations == [
        preset_emotion("sad"),
        Emotion(1.5, -2),
        preset_emotion("awe"),
        Emotion(-1, 0.5),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sad", "needs two or more places"),
        ("", "needs two or more places"),
        ("sad, hapy", "'hapy'. Did you mean 'happy'?"),
        ("sad, very happy", "neither one word nor two numbers"),
        ("sad, nan 1", "valence is nan, outside the scale"),
        ("sad, 1 4", "arousal is 4.0, outside the scale"),
    ],
)
def test_stations_that_cannot_be_read_say_why(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_stations(text)
    assert message in str(error.value)


@QUICK
@given(st.text(max_size=40))
def test_any_text_gives_stations_or_a_message(text: str) -> None:
    with suppress(ConfigError):
        assert len(read_stations(text)) >= 2


@QUICK
@given(STATIONS, st.integers(2, 40))
def test_a_line_is_walked_in_equal_steps_of_its_length(stations: list[Emotion], count: int) -> None:
    path = line_path(stations, count)
    assert len(path) == count and (path[0], path[-1]) == (stations[0], stations[-1])
    length = sum(
        math.hypot(b.valence - a.valence, b.arousal - a.arousal) for a, b in pairwise(stations)
    )
    steps = np.linalg.norm(np.diff(as_array(path), axis=0), axis=1)
    assert (steps <= length / (count - 1) + 1e-3).all()  # shorter only where it cuts a corner


def test_two_stations_make_a_spline_straight() -> None:
    ends = [Emotion(-2, -1), Emotion(2, 1)]
    assert as_array(spline_path(ends, 5)) == pytest.approx(as_array(line_path(ends, 5)), abs=2e-4)


@QUICK
@given(STATIONS, st.integers(2, 30), st.booleans())
def test_a_spline_stays_on_the_scale_and_keeps_its_pace(
    stations: list[Emotion], count: int, closed: bool
) -> None:
    path = as_array(spline_path(stations, count, closed=closed))
    assert path.shape == (count, 2) and np.abs(path).max() <= 3
    assert path[0] == pytest.approx((stations[0].valence, stations[0].arousal), abs=1e-4)
    dense = as_array(spline_path(stations, 20 * count, closed=closed))
    dense_steps = np.linalg.norm(np.diff(dense, axis=0), axis=1)
    finer = 20 if closed else (20 * count - 1) / (count - 1)
    # chords of a curve are at most as long as the curve between their ends
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() <= finer * dense_steps.max() + 1e-2


def test_a_spline_is_the_centripetal_catmull_rom_curve() -> None:
    # The same curve another way: cubic Hermite pieces whose tangents are Catmull-Rom's.
    corners = np.array([(-2.0, -1.0), (0.0, 1.5), (1.0, -0.5), (2.0, 2.0)])
    ends = [2 * corners[0] - corners[1], 2 * corners[-1] - corners[-2]]
    points = np.vstack([ends[0], corners, ends[1]])
    knots = np.append(0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1) ** 0.5))
    slopes = np.diff(points, axis=0) / np.diff(knots)[:, None]
    gaps = np.diff(knots)[:, None]
    tangents = (slopes[:-1] * gaps[1:] + slopes[1:] * gaps[:-1]) / (gaps[1:] + gaps[:-1])
    expected = CubicHermiteSpline(knots[1:-1], corners, tangents)(
        np.linspace(knots[1], knots[-2], 20_000)
    )
    path = as_array(spline_path([Emotion(*corner) for corner in corners.tolist()], 30))
    distance = np.linalg.norm(path[:, None] - expected[None], axis=-1).min(1)
    assert distance.max() < 2e-3


def test_a_closed_spline_comes_back_without_standing_still() -> None:
    stations = read_stations("happy, tense, sad, calm")
    path = as_array(spline_path(stations, 24, closed=True))
    steps = np.linalg.norm(np.diff(np.vstack([path, path[:1]]), axis=0), axis=1)
    assert steps.min() > 0.9 * steps.max()
    again = spline_path([*stations, stations[0]], 24, closed=True)
    assert as_array(again) == pytest.approx(path)


@QUICK
@given(st.floats(0.1, 3), st.integers(2, 40), st.floats(-360, 360), st.booleans())
def test_a_circle_keeps_its_radius_and_goes_round_once(
    radius: float, count: int, start: float, clockwise: bool
) -> None:
    path = as_array(circle_path(radius, count, start_degrees=start, clockwise=clockwise))
    assert np.hypot(*path.T) == pytest.approx(np.full(count, radius), abs=1e-3)
    turned = np.unwrap(np.arctan2(path[:, 1], path[:, 0]))
    if count > 2:
        expected = 360 * (count - 1) / count * (-1 if clockwise else 1)
        assert math.degrees(turned[-1] - turned[0]) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: circle_path(float("nan"), 4), "radius is nan"),
        (lambda: circle_path(0.0, 4), "radius is 0; a circle needs one above 0"),
        (lambda: circle_path(3.5, 4), "radius is 3.5, outside the scale"),
        (lambda: circle_path(2, 4, start_degrees=float("inf")), "start_degrees is inf"),
        (lambda: circle_path(2, 1), "1 points; it needs two or more"),
        (lambda: line_path([Emotion(1, 1)] * 3, 4), "lie in one place"),
        (lambda: spline_path([Emotion(1, 1)] * 3, 4), "lie in one place"),
        (lambda: check_cost(5000, 100), "5000 points, and each is one whole picture: 5000 times"),
    ],
)
def test_a_path_that_cannot_be_walked_says_why(make, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        make()
    assert message in str(error.value)
