"""Training of every weight: on policy, against the frozen copy, and exported as a model."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from comfy_networks import comfyui_model
from safetensors.torch import load_file
from tiny_pipelines import PIPELINES

from emofeedback.control.checkpoint import load_adapter, read_facts
from emofeedback.errors import CheckpointError, ConfigError
from training.data.prompts import Task, drawn_prompts
from training.evaluation.trained_weights import weights_of
from training.families.choose import load_family
from training.rewards.models import build_rewards
from training.rl.measure import paint
from training.rl.policy import Policy
from training.rl.trainer import Trainer
from training.runs.run_state import load_latest
from training.settings.config import ModelConfig
from training.settings.files import load_config, preset_path
from training.train import main

CPU = torch.device("cpu")
TASKS = [Task("a boat on the sea", (2.0, -1.0)), Task("the dog", (-2.0, 1.0))]
SAMPLER: dict[str, Any] = {"steps": 3, "guidance": 1.0, "seed": 0}
FULL = ("model.train=full", "model.size=16", "tensorboard=false", "sheet_every=0",
        "optim.learning_rate=0.001", "rollout.group_size=4", "loss.kl_coef=0.01")  # fmt: skip


@pytest.fixture(scope="module", params=["sd3.5", "flux"])
def folder(request: Any, tmp_path_factory: Any) -> tuple[str, Path]:
    torch.manual_seed(1)
    where = tmp_path_factory.mktemp(request.param)
    PIPELINES[request.param]().save_pretrained(where)
    return request.param, where


def new_trainer(where: Path, *overrides: str) -> Trainer:
    config = load_config(preset_path("smoke"), [*FULL, f"model.path={where}", *overrides])
    policy = Policy(load_family(config, device=CPU), config.model)
    return Trainer(config, policy, build_rewards(config.reward), drawn_prompts())


def test_every_weight_learns_from_a_ratio_of_one(folder: tuple[str, Path]) -> None:
    trainer = new_trainer(folder[1])
    policy = trainer.policy
    network = dict(policy.family.transformer.named_parameters())
    start = {name: value.detach().clone() for name, value in network.items()}
    with policy.reference():
        before = paint(policy, TASKS, **SAMPLER)
    log = trainer.train_step()
    assert log["log_ratio_abs"] == 0 and log["kl"] == 0
    assert log["rate/network"] == 0.001
    assert trainer.train_step()["kl"] > 0
    with policy.reference():
        assert torch.equal(paint(policy, TASKS, **SAMPLER), before)
    assert all(value.requires_grad for value in network.values())
    moved = [name for name, value in network.items() if not torch.equal(value, start[name])]
    # what the last layer does to the words leads nowhere
    assert len(moved) > 0.8 * len(network) and any("norm" in name for name in moved)


def test_without_a_copy_nothing_is_compared() -> None:
    config = load_config(preset_path("smoke"), ["model.train=full"])
    policy = Policy(load_family(config, device=CPU), config.model, compared=False)
    with pytest.raises(ConfigError, match="no frozen copy"), policy.reference():
        pass
    with pytest.raises(ConfigError, match="models of your own"):
        load_config(preset_path("tiny"), ["model.train=full"])


def test_the_network_of_a_run_is_a_model_for_diffusers_comfyui_and_training(
    folder: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comfyui: ModuleType
) -> None:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    family, where = folder
    run, command = tmp_path / "run", ["--preset", "smoke", "--model", str(where), *FULL]
    assert main([*command, "--run", str(run), "steps=2", "optim.ema_decay=0.5"]) == 0
    checkpoint, network = run / f"{family}_emotion.safetensors", run / f"{family}_transformer"
    assert read_facts(checkpoint).network == network.name
    assert not (run / f"{family}_lora.safetensors").exists()

    averaged = load_latest(run / "checkpoints").average
    trained = new_trainer(where).policy
    with trained.using(averaged):
        wanted = paint(trained, TASKS, **SAMPLER)
    config = load_config(None, [
        f"model.path={network}", f"model.components={where}", f"model.adapter={checkpoint}",
        "model.size=16",
    ])  # fmt: skip
    loaded = Policy(load_family(config, device=CPU), ModelConfig(lora_rank=2))
    with weights_of(loaded, checkpoint):
        torch.testing.assert_close(paint(loaded, TASKS, **SAMPLER), wanted, atol=1e-6, rtol=0)
    base = new_trainer(where).policy
    base.family.adapter = base.adapter = load_adapter(checkpoint)
    assert (paint(base, TASKS, **SAMPLER) - wanted).abs().max() > 1e-4
    with pytest.raises(CheckpointError, match="network of its own. Give --model"):
        weights_of(base, checkpoint).__enter__()
    with pytest.raises(CheckpointError, match="trains the whole network"):
        weights_of(base, run / "checkpoints" / "step-000002").__enter__()

    state = load_file(network / "diffusion_pytorch_model.safetensors")
    theirs = type(loaded.family.transformer).from_pretrained(network)
    assert all(torch.equal(value, state[name]) for name, value in theirs.state_dict().items())
    import comfy.sd

    # the stock loader's own call, and the networks that the LoRA's tests compare
    own = comfy.sd.load_diffusion_model_state_dict(dict(state), {"dtype": torch.float32})
    kept = comfyui_model(family, theirs).model.diffusion_model.state_dict()
    assert all(torch.equal(v, kept[k]) for k, v in own.model.diffusion_model.state_dict().items())
