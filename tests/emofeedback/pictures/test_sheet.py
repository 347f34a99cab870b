import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.errors import ConfigError
from emofeedback.pictures.sheet import (
    GAP,
    IN_ORDER,
    LARGEST,
    ON_PLANE,
    SMALLEST,
    emotion_sheet,
    picture_side,
    sheet_columns,
)
from emofeedback.records.emotion import Emotion

CORNERS = [Emotion(-2, 2), Emotion(2, 2), Emotion(-2, -2), Emotion(2, -2)]
COLOURS = torch.tensor([(0.9, 0.1, 0.1), (0.1, 0.9, 0.1), (0.1, 0.1, 0.9), (0.9, 0.1, 0.9)])


def pictures(height: int = 32, width: int = 32) -> torch.Tensor:
    return COLOURS[:, None, None].expand(-1, height, width, -1)


def places(sheet: torch.Tensor) -> list[tuple[float, float]]:
    """Where each colour lies, as shares of width and height from the left top."""
    found = []
    for colour in COLOURS:
        rows, columns = torch.nonzero((sheet[0] - colour).abs().amax(-1) < 0.02, as_tuple=True)
        found.append(
            (columns.float().mean() / sheet.shape[2], rows.float().mean() / sheet.shape[1])
        )
    return [(float(x), float(y)) for x, y in found]


def test_pictures_lie_at_their_valence_and_arousal() -> None:
    sheet = emotion_sheet(pictures(), CORNERS, layout=ON_PLANE, size=400)
    assert sheet.shape == (1, 400, 400, 3)
    (a, b, c, d) = places(sheet)
    assert a[0] == pytest.approx(c[0], abs=0.01) and b[0] == pytest.approx(d[0], abs=0.01)
    assert a[1] == pytest.approx(b[1], abs=0.01) and c[1] == pytest.approx(d[1], abs=0.01)
    assert b[0] - a[0] > 0.35 and c[1] - a[1] > 0.35


def test_in_order_pictures_follow_row_by_row_whatever_their_shape() -> None:
    sheet = emotion_sheet(pictures(24, 48), CORNERS, layout=IN_ORDER, size=400)
    assert sheet.shape[2] == 400
    (a, b, c, d) = places(sheet)
    assert a[0] == pytest.approx(c[0]) and a[1] == pytest.approx(b[1])
    assert a[0] < b[0] and a[1] < c[1] and d[0] == pytest.approx(b[0])


def test_a_picture_never_covers_its_neighbour_unless_it_would_vanish() -> None:
    assert picture_side(CORNERS) == LARGEST
    assert picture_side([Emotion(0, 0), Emotion(1, 0.5)]) < 1
    assert picture_side([Emotion(0, 0), Emotion(0.01, 0)]) == SMALLEST
    assert picture_side([Emotion(1, 1)] * 3) == LARGEST


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.sampled_from([0.5, 0.75, 1.0, 1.5, 2.0]))
def test_a_sheet_in_order_leaves_little_of_its_width_empty(count: int, tall: float) -> None:
    columns = sheet_columns(count, tall)
    rows = math.ceil(count / columns)
    assert 1 <= columns <= count and (rows - 1) * columns < count
    assert count >= 0.75 * rows * columns or count < 8
    assert count <= 2 or 1 / 3 < rows * tall / columns < 3


@pytest.mark.parametrize("count", [2, 3, 7, 11])
def test_the_cells_of_a_sheet_reach_its_right_edge(count: int) -> None:
    shown = torch.zeros(count, 8, 8, 3)
    sheet = emotion_sheet(shown, CORNERS[:1] * count, layout=IN_ORDER, size=1000)
    columns = (sheet[0, :20] < 0.1).all(-1).any(0).nonzero()
    assert int(columns.max()) >= 1000 - GAP - 2 and int(columns.min()) <= GAP + 1


def test_a_sheet_refuses_what_does_not_belong_together() -> None:
    with pytest.raises(ConfigError, match="4 pictures came with 3 emotions"):
        emotion_sheet(pictures(), CORNERS[:3], layout=ON_PLANE, size=400)
    many = pictures()[:1].expand(401, -1, -1, -1)
    with pytest.raises(ConfigError, match="401 pictures are too many"):
        emotion_sheet(many, CORNERS[:1] * 401, layout=IN_ORDER, size=400)
