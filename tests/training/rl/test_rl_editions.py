"""A run that began on weights which were made anew since is neither gone on with nor measured."""

import json
from pathlib import Path

import pytest

from emofeedback.errors import CheckpointError
from training.data.prompts import drawn_prompts
from training.evaluation.trained_weights import weights_of
from training.families.smoke import SmokeFamily
from training.rewards.models import build_rewards
from training.rl.policy import Policy
from training.rl.trainer import Trainer
from training.runs.run_state import FACTS, whole_checkpoints
from training.settings.files import CONFIG_FILE, load_config, preset_path


def test_a_run_on_earlier_weights_is_refused(tmp_path: Path) -> None:
    config = load_config(preset_path("smoke"), ["tensorboard=false", "sheet_every=0", "steps=1"])
    (tmp_path / CONFIG_FILE).write_text("model: {}", encoding="utf-8")

    def trainer() -> Trainer:
        policy = Policy(SmokeFamily(), config.model)
        return Trainer(
            config, policy, build_rewards(config.reward), drawn_prompts(), folder=tmp_path
        )

    trainer().fit()
    checkpoint = whole_checkpoints(tmp_path / "checkpoints")[-1]
    trainer().resume()
    kept = json.loads((checkpoint / FACTS).read_text(encoding="utf-8"))
    kept["facts"]["base_edition"] = "of yore"
    (checkpoint / FACTS).write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(CheckpointError, match="made anew since"):
        trainer().resume()
    with (
        pytest.raises(CheckpointError, match="made anew since"),
        weights_of(trainer().policy, checkpoint),
    ):
        pass
