import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofeedback.errors import ConfigError
from emofeedback.plane.words import PRESETS, nearest_words, preset_emotion
from emofeedback.records.emotion import (
    CATEGORIES,
    SCALES,
    Emotion,
    clipped_emotion,
    from_scale,
    to_scale,
)

on_scale = st.floats(-3, 3)


@pytest.mark.parametrize("value", [3.01, -3.2, float("nan"), float("inf")])
@pytest.mark.parametrize("axis", ["valence", "arousal"])
def test_a_value_off_the_scale_is_refused_by_axis_and_value(axis, value):
    with pytest.raises(ConfigError, match=f"{axis} is {value}.*from -3 to 3"):
        Emotion(**{"valence": 0.0, "arousal": 0.0, axis: value})


@given(on_scale, on_scale, on_scale, on_scale)
def test_the_gap_leads_from_the_reading_to_the_target(v, a, w, b):
    gap = Emotion(v, a).gap_from(Emotion(w, b))
    assert math.isclose(w + gap.valence, v, abs_tol=1e-12)
    assert math.isclose(b + gap.arousal, a, abs_tol=1e-12)
    assert gap.size == math.hypot(v - w, a - b)


@given(st.sampled_from(sorted(SCALES)), on_scale)
def test_scales_convert_there_and_back(scale, value):
    assert math.isclose(from_scale(to_scale(value, scale), scale), value, abs_tol=1e-12)


def test_the_scales_of_the_field_land_where_its_papers_put_them():
    assert [from_scale(x, "sam9") for x in (1, 5, 9)] == [-3, 0, 3]
    assert from_scale(3, "sam9") == (3 - 5) * 3 / 4
    assert math.isclose(from_scale(1.35, "likert5") - from_scale(1, "likert5"), 0.525)


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_clipping_says_when_it_moved_the_point(v, a):
    emotion, clipped = clipped_emotion(v, a)
    assert clipped == ((emotion.valence, emotion.arousal) != (v, a))


def test_categories_are_the_sectors_of_the_circumplex():
    for index, name in enumerate(CATEGORIES):
        angle = math.radians(45 * index)
        assert Emotion(2 * math.cos(angle), 2 * math.sin(angle)).category == name
    assert Emotion(0.3, 0.3).category == "neutral"


def test_preset_words_lie_in_their_directions_and_name_a_source():
    assert preset_emotion("serene").valence > 0 > preset_emotion("serene").arousal
    assert preset_emotion("tense").arousal > 2
    assert all(preset.source for preset in PRESETS.values())
    assert nearest_words(preset_emotion("sad"))[0] == "sad"
    with pytest.raises(ConfigError, match="'blue'.*happy"):
        preset_emotion("blue")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.125, "+0.12"), (-1.875, "-1.88"), (0.005, "+0.01"), (2.675, "+2.67"), (-0.001, "+0.00")],
)
def test_numbers_are_written_as_the_page_writes_them(value: float, text: str) -> None:
    assert str(Emotion(value, 0)).startswith(f"valence {text}, arousal +0.00")
