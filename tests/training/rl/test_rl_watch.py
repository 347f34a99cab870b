"""The watch judges by a head where one is named, and by the drawn world's judge else."""

from pathlib import Path

import pytest
import torch
from tiny_encoders import head_on

from emofeedback.embedded.picture_encoder import open_any_encoder
from emofeedback.reading.head_scorer import open_head
from training.data.prompts import draw_tasks, drawn_prompts
from training.families.smoke import SmokeFamily
from training.rewards.models import build_rewards
from training.rl import watch
from training.rl.policy import Policy
from training.rl.trainer import Trainer
from training.rl.watch import SEED
from training.settings.files import load_config, preset_path


def seen_by(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, torch.Tensor]:
    """What the watch says, and the pictures that it looked at."""
    kept: list[torch.Tensor] = []
    paint = watch.paint

    def kept_paint(*asked, **settings) -> torch.Tensor:
        kept.append(paint(*asked, **settings))
        return kept[-1]

    monkeypatch.setattr(watch, "paint", kept_paint)
    return trainer.watch(), kept[-1]


def test_a_named_head_judges_in_the_place_of_the_drawn_worlds_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = head_on("embedded", tmp_path / "head.safetensors")
    size = ["tensorboard=false", "sheet_every=0", "watch.pictures=4", "watch.table_steps=2"]
    told = {}
    for name, settings in (("none", []), ("head", [f"watch.head={head}"])):
        config = load_config(preset_path("smoke"), [*size, *settings])
        policy = Policy(SmokeFamily(), config.model)
        trainer = Trainer(config, policy, build_rewards(config.reward), drawn_prompts())
        told[name], pictures = seen_by(trainer, monkeypatch)
    tasks = draw_tasks(trainer.prompts.held_out, trainer.targets, count=4, seed=SEED, step=0)
    readings = open_head(head, [], open_any_encoder).score(pictures)
    gaps = [
        abs(task.target[0] - read.emotion.valence) + abs(task.target[1] - read.emotion.arousal)
        for task, read in zip(tasks, readings, strict=True)
    ]
    assert told["head"]["watch/error"] == pytest.approx(sum(gaps) / 4, abs=1e-3)
    assert "watch/judged_content" not in told["head"], "a head knows no subjects"
    assert "watch/error" not in told["none"], "the judge knows drawn pictures alone"
    assert told["head"]["watch/reward"] == told["none"]["watch/reward"], "a watch is no reward"


def test_a_watch_tells_the_reward_as_it_is_whatever_an_update_divides_it_by() -> None:
    size = ["tensorboard=false", "watch.pictures=4", "watch.table_steps=2"]
    config = load_config(preset_path("smoke"), [*size, "reward.normalise=group"])
    policy = Policy(SmokeFamily(), config.model)
    told = Trainer(config, policy, build_rewards(config.reward), drawn_prompts()).watch()
    assert told["watch/reward"] == pytest.approx(told["watch/brightness"])
