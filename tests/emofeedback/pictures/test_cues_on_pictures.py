"""Cues on pictures: places out of words and numbers, frames where they say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.errors import ConfigError
from emofeedback.lvlm.answers import read_reasoned
from emofeedback.pictures.boxes import Place, place_of
from emofeedback.pictures.cue_overlay import MOST_CUES, cue_pictures, shown_cues
from emofeedback.records.emotion import Emotion
from emofeedback.records.reading import Cue, Reading

FRAME = torch.tensor([0xD5, 0x5E, 0x00]) / 255
THIRD = 1 / 3


def reading(*cues: Cue) -> Reading:
    return Reading(emotion=Emotion(1, -1), cues=cues)


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("upper left", Place(0, 0, THIRD, THIRD)),
        ("in the top-right corner", Place(2 * THIRD, 0, 1, THIRD)),
        ("the lower part of the picture", Place(0, 2 * THIRD, 1, 1)),
        ("left", Place(0, 0, THIRD, 1)),
        ("centre", Place(THIRD, THIRD, 2 * THIRD, 2 * THIRD)),
        ("centre left", Place(0, THIRD, THIRD, 2 * THIRD)),
        ("the whole picture", Place(0, 0, 1, 1)),
        ("left and right", Place(0, 0, 1, 1)),
        ("[0.1, 0.2, 0.5, 0.6]", Place(0.1, 0.2, 0.5, 0.6)),
        ("10%, 20%, 50%, 60%", Place(0.1, 0.2, 0.5, 0.6)),
        ("[100, 200, 500, 600]", Place(0.1, 0.2, 0.5, 0.6)),
        ("[500, 200, 100, 600]", None),
        ("[100, 200, 5000, 600]", None),
        ("behind the boat", None),
        ("", None),
    ],
)
def test_words_and_numbers_name_a_place(where: str, place: Place | None) -> None:
    found = place_of(where)
    if place is None:
        assert found is None
    else:
        box = [found.left, found.top, found.right, found.bottom]
        assert box == pytest.approx([place.left, place.top, place.right, place.bottom])


@settings(deadline=None)
@given(st.text(max_size=300) | st.lists(st.floats(), min_size=4, max_size=4).map(str))
def test_whatever_a_model_writes_is_a_box_inside_the_picture_or_none(where: str) -> None:
    place = place_of(where)
    if place is not None:
        assert 0 <= place.left < place.right <= 1
        assert 0 <= place.top < place.bottom <= 1


def test_a_box_that_a_model_writes_as_a_list_is_kept() -> None:
    text = '{"valence": 5, "arousal": 5, "cues": [{"name": "sun", "bbox_2d": [0, 0, 500, 400]}]}'
    (cue,) = read_reasoned(text).cues
    assert place_of(cue.where) == Place(0, 0, 0.5, 0.4)


def framed(page: torch.Tensor) -> torch.Tensor:
    """Which pixels of the picture, not of the list below it, carry the frame's colour."""
    return ((page[:256] - FRAME).abs().amax(-1) < 0.02).nonzero() / 256


def test_a_cue_is_framed_where_it_is_and_listed_where_its_place_is_unknown() -> None:
    images = torch.full((3, 64, 64, 3), 0.5)
    sun, wind = Cue("sun", "raises valence", "upper left"), Cue("wind", "raises arousal")
    pages = cue_pictures(images, [reading(sun), reading(), reading(wind)], size=256)
    assert pages.shape[0] == 2 and pages.shape[2] == 256 < pages.shape[1]
    corner = framed(pages[0])
    assert len(corner) > 0 and corner.max() < 0.35
    assert len(framed(pages[1])) == 0
    assert (pages[0][256:] - pages[1][256:]).abs().max() > 0.5  # each has a list of its own


def test_many_long_cues_still_make_a_page() -> None:
    cues = [Cue(f"{number} " + "wonder " * 80, "x" * 400, "top") for number in range(50)]
    (page,) = cue_pictures(torch.zeros(1, 16, 64, 3), [reading(*cues)], size=256)
    assert len(shown_cues(reading(*cues))) == MOST_CUES
    assert page.shape[0] < 1000


def test_pictures_without_cues_say_how_to_get_them() -> None:
    with pytest.raises(ConfigError, match="Switch 'explain' on"):
        cue_pictures(torch.zeros(1, 16, 16, 3), [reading()])
    with pytest.raises(ConfigError, match="2 images came with 1 readings"):
        cue_pictures(torch.zeros(2, 16, 16, 3), [reading(Cue("sun"))])
