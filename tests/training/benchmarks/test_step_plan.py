"""The plan of a step against what steps of a small model really compute."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from emofeedback.errors import ConfigError
from training.benchmarks.plan import (
    Hardware,
    Network,
    hardware_of,
    lora_numbers,
    measured_network,
    passes,
    planned_step,
)
from training.benchmarks.public_shape import PublicLoop
from training.benchmarks.speed import new_trainer, step_flops
from training.rl.policy import lora_pattern
from training.settings.files import load_config, preset_path

NETWORK = Network(parameters=10**9, layers=20, width=1024, tokens=1000, forward_flops=1e12)


def test_a_plan_needs_no_weights_and_no_gpu() -> None:
    import diffusers

    def made() -> tuple[Any, dict[str, Any]]:
        network = diffusers.FluxTransformer2DModel(num_layers=1, num_single_layers=1)
        inputs = {
            "hidden_states": torch.zeros(1, 64, 64), "timestep": torch.zeros(1),
            "encoder_hidden_states": torch.zeros(1, 8, 4096),
            "pooled_projections": torch.zeros(1, 768),
            "img_ids": torch.zeros(64, 3), "txt_ids": torch.zeros(8, 3),
        }  # fmt: skip
        return network, inputs

    found = measured_network(made)
    assert (found.layers, found.width, found.tokens) == (2, 3072, 72)
    assert found.forward_flops < 2 * found.parameters * found.tokens


@pytest.mark.parametrize(
    "overrides",
    [
        ["loss.kl_coef=0"],
        ["loss.kl_coef=0.1"],
        ["model.gradient_checkpointing=true"],
        ["loss.kind=nft", "loss.kl_coef=0"],
        ["loss.kind=awm", "loss.kl_coef=0", "loss.old_kl=1", "optim.updates=2"],
        ["loss.kl_coef=0", "optim.updates=2"],
        ["rollout.guidance_scale=3", "rollout.guidance_detached=true", "loss.kl_coef=0.1"],
        ["loss.kl_coef=0.1", "model.train=full"],
    ],
    ids=str,
)
def test_planned_flops_are_those_of_a_step(overrides: list[str]) -> None:
    device = torch.device("cpu")
    small = ["threads=1", "model.lora_rank=1", "model.lora_alpha=1"]
    trainer = new_trainer("smoke", [*small, *overrides], device)
    family = trainer.policy.family
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        family.velocity(
            torch.zeros(1, *family.latent_shape), torch.ones(1), family.encode(["a boat"])
        )
    trainer.train_step()
    config = trainer.config
    pictures = config.rollout.group_size * config.data.prompts_per_step
    planned = pictures * sum(passes(config)) * counted.get_total_flops()
    assert step_flops(trainer) == pytest.approx(planned, rel=0.05)
    targets = lora_pattern(family.lora_targets)
    base = type(family)().transformer
    lora = sum(value.numel() for value in trainer.policy.lora_parameters().values())
    assert config.model.full or lora_numbers(base, targets, 1) == lora


def test_a_loop_in_the_shape_of_public_code_pays_for_guidance() -> None:
    def flops(guidance: int) -> float:
        trainer = new_trainer("smoke", [f"rollout.guidance_scale={guidance}"], torch.device("cpu"))
        loop = PublicLoop(trainer)
        with FlopCounterMode(display=False) as counted:
            loop.step()
        return float(counted.get_total_flops())

    assert flops(3) == pytest.approx(2 * flops(1), rel=0.02)


def test_sharing_the_weights_trades_memory_for_traffic() -> None:
    config = load_config(preset_path("smoke"), ["data.prompts_per_step=8", "optim.micro_batch=1"])
    one, many, shared = (
        planned_step(NETWORK, config, Hardware(), processes=processes, trained=10**6, engine=engine)
        for processes, engine in ((1, "ddp"), (8, "ddp"), (8, "fsdp"))
    )
    assert one.collective_bytes == 0
    assert many.rollout_s == pytest.approx(one.rollout_s / 8)
    assert many.memory_bytes == pytest.approx(one.memory_bytes, rel=0.05)
    assert shared.memory_bytes < many.memory_bytes / 2
    assert shared.collective_bytes > 10 * many.collective_bytes


def test_training_every_weight_takes_memory_that_sharing_divides() -> None:
    config = load_config(preset_path("smoke"), ["model.train=full", "data.prompts_per_step=8"])
    one, shared = (
        planned_step(NETWORK, config, Hardware(), processes=processes, trained=10**9, engine=engine)
        for processes, engine in ((1, "ddp"), (8, "fsdp"))
    )
    assert one.memory_bytes > 16e9 and shared.memory_bytes < one.memory_bytes / 3


@pytest.mark.parametrize("text", ["flop=1e12", "flops=-1", "flops=nan", "between", "cards=many"])
def test_hardware_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="flops=9.89e"):
        hardware_of([text])
    assert hardware_of(["cards=4", "flops=312e12"]).cards == 4
