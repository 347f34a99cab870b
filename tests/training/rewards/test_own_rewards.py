"""Rewards of the user's own, and the one against what optimisers leave in pictures."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from emofeedback.errors import ConfigError, ScorerError
from training.data.prompts import Task
from training.rewards.functions import read_functions
from training.rewards.models import build_rewards
from training.rewards.quality import burnt_share, noise_level, quality
from training.settings.files import load_config, preset_path
from training.settings.reward import RewardConfig
from training.world.render import render
from training.world.scene import sample_scene

CODE = """
seven = 7
def redness(images, prompts):
    return images[..., 0].flatten(1).mean(1)
def listed(images, prompts):
    return [0.25] * len(prompts)
def arrayed(images, prompts):
    return images.detach().numpy()[..., 0].mean((1, 2))
def broken(images, prompts):
    return {}["score"]
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_rewards_of_a_test.py").write_text(CODE)
    (tmp_path / "half_written_rewards.py").write_text("def redness(:")
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_rewards_of_a_test"
    sys.modules.pop("own_rewards_of_a_test", None)


def test_a_function_is_weighted_and_logged_by_its_name(module: str) -> None:
    overrides = [f"rewards=[{module}:redness=0.5]", "reward.brightness=0"]
    config = load_config(preset_path("smoke"), overrides)
    stack = build_rewards(config.reward, functions=config.rewards)
    images = torch.zeros(2, 8, 8, 3)
    images[1, ..., 0] = 0.8
    found = stack.collect([stack.submit(images, [Task("a", (0.0, 0.0))] * 2)])
    torch.testing.assert_close(found.parts["redness"], torch.tensor([0.0, 0.8]))
    torch.testing.assert_close(found.total, torch.tensor([0.0, 0.4]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["redness"], "write module:function"),
        (["nowhere:redness"], "cannot be found.*PYTHONPATH"),
        (["half_written_rewards:redness"], "cannot be run.*SyntaxError"),
        (["{}:blueness"], "cannot be found"),
        (["{}:seven"], "is no function"),
        (["{}:redness=-1"], "weight must be above 0"),
        (["{}:redness=much"], "weight must be above 0"),
        (["{}:redness", "{}:redness"], "twice"),
        ("{}:redness", "write a list"),
    ],
)
def test_what_cannot_be_a_reward_is_refused(module: str, given, message: str) -> None:
    named = given.format(module) if isinstance(given, str) else [t.format(module) for t in given]
    with pytest.raises(ConfigError, match=message):
        read_functions(named)


def test_scores_come_in_any_form_and_an_error_of_a_function_is_named(module: str) -> None:
    config = RewardConfig(emotion=0, retries=2)

    def scored(*names: str) -> dict[str, torch.Tensor]:
        functions = [f"{module}:{name}" for name in names]
        stack = build_rewards(config, functions=functions)
        tasks = [Task("a", (0.0, 0.0))] * 2
        return stack.collect([stack.submit(torch.full((2, 8, 8, 3), 0.5), tasks)]).parts

    assert {k: v.tolist() for k, v in scored("listed", "arrayed").items()} == {
        "listed": [0.25, 0.25], "arrayed": [0.5, 0.5],
    }  # fmt: skip
    with pytest.raises(ScorerError, match=r"'broken' failed 2 times: KeyError\('score'\)"):
        scored("broken")


def drawn(count: int = 6) -> torch.Tensor:
    scenes = [sample_scene(np.random.default_rng((5, i)), split="train") for i in range(count)]
    return torch.stack([torch.from_numpy(np.array(render(s, 128))).float() / 255 for s in scenes])


def test_quality_falls_with_noise_grids_and_burnt_colours_and_leaves_pictures_alone() -> None:
    clean, draw = drawn(), torch.Generator().manual_seed(1)
    noise = 0.08 * torch.randn(clean.shape, generator=draw)
    grid = 0.04 * (-1.0) ** (torch.arange(128)[:, None, None] + torch.arange(128)[None, :, None])
    burnt = ((clean - 0.5) * 8 + 0.5).clamp(0, 1)
    scores = [
        float(quality(each.clamp(0, 1), [""] * len(each)).mean())
        for each in (clean, clean + noise, clean + grid, burnt)
    ]
    assert scores[0] > 0.9 and max(scores[1:]) < 0.75, scores
    flat = torch.full((1, 64, 64, 3), 0.5)
    told = noise_level(flat + 0.03 * torch.randn(1, 64, 64, 1, generator=draw))
    assert float(told) == pytest.approx(0.03, rel=0.1)
    assert float(burnt_share(torch.zeros(1, 8, 8, 3))) == 1


def test_quality_has_a_gradient_away_from_noise() -> None:
    draw = torch.Generator().manual_seed(2)
    images = (0.5 + 0.05 * torch.randn(1, 32, 32, 3, generator=draw)).requires_grad_()
    stack = build_rewards(RewardConfig(emotion=0, quality=1.0), gradient=True)
    before = stack.collect([stack.submit(images, [Task("a", (0.0, 0.0))])]).total
    before.sum().backward()
    after = quality(images.detach() + 0.5 * images.grad, [""])
    assert float(after) > float(before.detach())
