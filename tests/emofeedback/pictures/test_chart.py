import pytest
import torch

from emofeedback.loop.steps import record_scores, start_loop
from emofeedback.pictures.circumplex import (
    ChartRound,
    circumplex_chart,
    readings_chart,
    trajectory_chart,
)
from emofeedback.pictures.theme import theme_named
from emofeedback.records.emotion import Emotion
from emofeedback.records.reading import Reading

TARGET_COLOUR = torch.tensor([0xD5, 0x5E, 0x00]) / 255


def target_pixels(chart):
    near = (chart[0] - TARGET_COLOUR).abs().amax(-1) < 0.05
    rows, columns = torch.nonzero(near, as_tuple=True)
    return float(columns.float().mean()) / chart.shape[2], float(rows.float().mean()) / chart.shape[
        1
    ]


def test_the_target_is_drawn_where_it_lies_on_the_plane():
    reading = Reading(emotion=Emotion(0, 0), uncertainty=(0.5, 0.5))
    right_up = target_pixels(readings_chart([reading], Emotion(2, 2), size=400))
    left_down = target_pixels(readings_chart([reading], Emotion(-2, -2), size=400))
    assert right_up[0] > 0.6 > 0.4 > right_up[1]
    assert left_down[0] < 0.4 < 0.6 < left_down[1]


def test_a_trajectory_shows_the_rounds_in_either_theme():
    state = start_loop("a boat", Emotion(2, 0))
    empty = {theme: trajectory_chart(state, size=300, theme=theme) for theme in ("light", "dark")}
    reading = Reading(emotion=Emotion(-1, -1), uncertainty=(0.5, 0.5))
    state = record_scores(state, torch.zeros(1, 8, 8, 3), [reading])
    for theme, before in empty.items():
        chart = trajectory_chart(state, size=300, theme=theme)
        assert chart.shape == (1, 300, 300, 3)
        assert (chart - before).abs().max() > 0.2
    assert empty["dark"].mean() < 0.4 < 0.8 < empty["light"].mean()


@pytest.mark.parametrize("below", [0.2, 0.3, 0.4])
@pytest.mark.parametrize("target", [Emotion(0.5, 0.5), Emotion(2.9, 0.5)])
def test_the_targets_name_covers_no_number(target, below):
    # The path's colour is that of the numbers: what of it is seen must not depend on the target.
    spot = Emotion(target.valence - 0.1, target.arousal - below)
    reading = Reading(emotion=spot, uncertainty=(0.0, 0.0))
    rounds = [ChartRound((reading,), 0, 8)]
    bare, aimed = (circumplex_chart(rounds, aim, size=800, theme="light") for aim in (None, target))
    ink = torch.tensor([int(theme_named("light").path[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    number, left = ((chart - ink).abs().amax(-1) < 0.02 for chart in (bare, aimed))
    assert (number & ~left).sum() < 0.25 * number.sum()  # the star may lie on the point's edge


def test_the_targets_name_gives_way_where_numbers_leave_no_room():
    draw = torch.Generator().manual_seed(1)
    near = (torch.rand(12, 2, generator=draw) * 1.2 - 0.6).tolist()
    rounds = [
        ChartRound((Reading(emotion=Emotion(v, a), uncertainty=(0.0, 0.0)),), 0, 80 + number)
        for number, (v, a) in enumerate(near)
    ]
    bare, aimed = (
        circumplex_chart(rounds, aim, size=500, theme="light") for aim in (None, Emotion(0, 0))
    )
    ink = torch.tensor([int(theme_named("light").path[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    number, left = ((chart - ink).abs().amax(-1) < 0.02 for chart in (bare, aimed))
    assert (number & ~left).sum() < 0.15 * number.sum()
