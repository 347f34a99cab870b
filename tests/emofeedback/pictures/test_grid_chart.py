"""Heat map and sweep: what they draw is what was measured."""

import pytest
import torch

from emofeedback.errors import ConfigError
from emofeedback.pictures.grid import answers_to, error_map_chart, sweep_chart
from emofeedback.pictures.theme import THEMES
from emofeedback.records.emotion import Emotion
from emofeedback.records.reading import Reading

TARGETS = [Emotion(v, a) for a in (2, -2) for v in (-2, 2)]


def read(*emotions: Emotion) -> tuple[Reading, ...]:
    return tuple(Reading(emotion=emotion) for emotion in emotions)


LOWEST = torch.tensor([0x00, 0x22, 0x4E]) / 255  # cividis at 0


def blue_share(chart: torch.Tensor, *, left: bool) -> float:
    """Share of a panel in the lowest shade of cividis, the one of no error."""
    half = chart.shape[2] // 2
    panel = chart[0, :, :half] if left else chart[0, :, half : int(0.9 * chart.shape[2])]
    return float(
        ((panel - torch.tensor([0, 0x22, 0x4E]) / 255).abs().amax(-1) < 0.03).float().mean()
    )


@pytest.mark.parametrize("theme", THEMES)
def test_each_panel_of_the_map_is_dark_where_its_axis_is_right(theme: str) -> None:
    only_valence = [Emotion(target.valence, -target.arousal) for target in TARGETS]
    chart = error_map_chart(answers_to(TARGETS, [read(*only_valence)]), size=480, theme=theme)
    assert chart.shape[2] == 480
    assert blue_share(chart, left=True) > 0.3 > 0.02 > blue_share(chart, left=False)


def test_groups_of_readings_belong_to_their_target_in_order() -> None:
    groups = [read(target, target) for target in TARGETS]
    answers = answers_to(TARGETS, groups)
    assert len(answers) == 8
    assert all(answer.target == answer.reading.emotion for answer in answers)


@pytest.mark.parametrize("theme", THEMES)
def test_a_sweep_draws_what_was_read(theme: str) -> None:
    obedient, deaf = [
        sweep_chart(answers_to(TARGETS, [read(*emotions)]), "valence", size=320, theme=theme)
        for emotions in (TARGETS, [Emotion(0, 0)] * 4)
    ]
    assert obedient.shape == deaf.shape
    assert (obedient - deaf).abs().max() > 0.3


def test_what_cannot_be_drawn_says_why() -> None:
    with pytest.raises(ConfigError, match="4 targets came with 1 readings in 1 groups"):
        answers_to(TARGETS, [read(Emotion(0, 0))])
    with pytest.raises(ConfigError, match="0 targets"):
        answers_to([], [])
    alike = answers_to([Emotion(1, a) for a in (-1, 1)], [read(Emotion(0, 0), Emotion(0, 0))])
    with pytest.raises(ConfigError, match="same valence \\(\\+1\\).*Choose the other axis"):
        sweep_chart(alike, "valence")
    many = [Emotion(step / 10, 0) for step in range(20)]
    with pytest.raises(ConfigError, match="20 different valence values"):
        error_map_chart(answers_to(many, [read(*many)]))
    with pytest.raises(ConfigError, match="chart theme is 'neon'"):
        error_map_chart(alike, theme="neon")
