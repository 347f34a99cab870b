import torch

from emofeedback.loop.steps import record_scores, start_loop
from emofeedback.pictures.circumplex import readings_chart, trajectory_chart
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
