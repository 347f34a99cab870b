"""What a training step of a large model will take, before anybody pays for it.

FLOPs are counted on the real network without weights (torch's meta device); the rest is arithmetic
with bandwidths that are given. Nothing of it was measured on a cluster.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from emofeedback.errors import ConfigError

from ..families.real_shapes import real_network
from ..rl.cost import passes
from ..runs.memory import frozen_bytes, trained_bytes
from ..settings.config import TrainConfig

log = logging.getLogger(__name__)
ACTIVATION_NUMBERS = 34
"""Numbers a token and channel that the backward pass of one layer keeps (arXiv 2205.05198)."""
PROCESSES = (1, 2, 8, 64, 256, 1024)


@dataclass(frozen=True, kw_only=True)
class Network:
    """What of a network decides time and memory."""

    parameters: int
    layers: int
    width: int
    tokens: int
    """Of one picture and its words."""
    forward_flops: float
    """Of one picture, one pass."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One accelerator and what connects it; defaults: an H100 (SXM), NVLink, 400 Gbit/s a card."""

    flops: float = 989e12
    """A second, dense, in bfloat16."""
    efficiency: float = 0.4
    """Share of it that a training loop reaches."""
    inside: float = 400e9
    """Bytes a second between cards of one machine."""
    between: float = 45e9
    """Bytes a second and card between machines."""
    cards: int = 8
    """In one machine."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One training step on some processes, for each of them."""

    processes: int
    engine: str
    """"ddp": every process holds the frozen weights; "fsdp": they share them."""
    rollout_s: float
    update_s: float
    reward_s: float
    collectives_s: float
    collective_bytes: float
    memory_bytes: float

    @property
    def seconds(self) -> float:
        """Of the whole step; collectives do not overlap here, which is the worst case."""
        return self.rollout_s + self.update_s + self.reward_s + self.collectives_s


def hardware_of(values: Sequence[str]) -> Hardware:
    """Hardware from texts as "flops=312e12".

    Raises: ConfigError: an unknown name, or no number above 0.
    """
    known = {field.name: getattr(Hardware(), field.name) for field in fields(Hardware)}
    given: dict[str, Any] = {}
    for text in values:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if name not in known or not 0 < value < math.inf:
            raise ConfigError(
                f"--hardware {text!r} is none of "
                f"{', '.join(f'{k}={v:g}' for k, v in known.items())}, each with a number above 0."
            )
        given[name] = int(value) if name == "cards" else value
    return Hardware(**given)


def real_networks() -> dict[str, Callable[[], tuple[Any, dict[str, Any]]]]:
    """Networks of 2.5, 12 and 20 billion parameters at 512 px: class instance and its inputs."""

    def words(count: int, width: int) -> torch.Tensor:
        return torch.zeros(1, count, width)

    return {
        "2.5B": lambda: (
            real_network("sd3.5-medium"),
            {
                "hidden_states": torch.zeros(1, 16, 64, 64), "timestep": torch.zeros(1),
                "encoder_hidden_states": words(333, 4096),
                "pooled_projections": torch.zeros(1, 2048),
            },
        ),
        "12B": lambda: (
            real_network("flux"),
            {
                "hidden_states": torch.zeros(1, 1024, 64), "timestep": torch.zeros(1),
                "encoder_hidden_states": words(512, 4096),
                "pooled_projections": torch.zeros(1, 768), "guidance": torch.zeros(1),
                "img_ids": torch.zeros(1024, 3), "txt_ids": torch.zeros(512, 3),
            },
        ),
        "20B": lambda: (
            real_network("qwen-image"),
            {
                "hidden_states": torch.zeros(1, 1024, 64), "timestep": torch.zeros(1),
                "encoder_hidden_states": words(128, 3584), "img_shapes": [[(1, 32, 32)]],
            },
        ),
    }  # fmt: skip


def measured_network(made: Callable[[], tuple[Any, dict[str, Any]]]) -> Network:
    """Count parameters and FLOPs of a network on the meta device, without a byte of weights."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), torch.no_grad():
        model, inputs = made()
        with FlopCounterMode(display=False) as counted:
            model(**inputs, return_dict=False)
    layers = sum(len(part) for part in model.children() if isinstance(part, torch.nn.ModuleList))
    words = inputs["encoder_hidden_states"].shape[1]
    latents = inputs["hidden_states"]
    tokens = latents.shape[1] if latents.ndim == 3 else latents.shape[2] * latents.shape[3] // 4
    return Network(
        parameters=sum(value.numel() for value in model.parameters()),
        layers=layers,
        width=model.inner_dim,
        tokens=tokens + words,
        forward_flops=float(counted.get_total_flops()),
    )


def planned_step(
    network: Network,
    config: TrainConfig,
    hardware: Hardware,
    *,
    processes: int,
    trained: int,
    engine: str = "ddp",
    reward_flops: float = 0.0,
) -> Step:
    """Seconds, bytes and memory of a step for each of some processes.

    Args:
        trained: numbers that are; with model.train=full those of the network.
        reward_flops: of reward models, a picture.
    """
    mine = math.ceil(config.data.prompts_per_step / processes) * config.rollout.group_size
    speed = hardware.flops * hardware.efficiency
    rollout, update = passes(config)
    shared = engine == "fsdp" and processes > 1
    # in float32 where they are trained, else in bfloat16
    weights = (4.0 if config.model.full else 2.0) * network.parameters
    traffic = 4.0 * trained * config.optim.updates * 2 * (processes - 1) / processes
    if shared:
        rows = math.ceil(mine / config.rollout.micro_batch)
        gathers = rows * config.rollout.num_inference_steps + update * math.ceil(
            mine / config.optim.micro_batch
        )
        traffic += gathers * weights * (processes - 1) / processes
    wire = hardware.inside if processes <= hardware.cards else hardware.between
    held = float(frozen_bytes(config) * network.parameters + trained_bytes(config) * trained)
    if shared:
        held = held / processes + weights / network.layers
    rows = min(config.optim.micro_batch, mine)
    kept = 2.0 * rows * network.tokens * network.width
    layers = 1 if config.model.gradient_checkpointing else network.layers
    activations = kept * (network.layers + ACTIVATION_NUMBERS / 2 * layers)
    return Step(
        processes=processes,
        engine=engine,
        rollout_s=mine * rollout * network.forward_flops / speed,
        update_s=mine * update * network.forward_flops / speed,
        reward_s=mine * reward_flops / speed,
        collectives_s=traffic / wire,
        collective_bytes=traffic,
        memory_bytes=held + activations,
    )


def lora_numbers(network: Any, targets: str, rank: int) -> int:
    """Numbers of a LoRA of that rank on all layers of a network that a pattern names."""
    import re

    found = (m for name, m in network.named_modules() if re.fullmatch(targets, name))
    return sum(rank * (m.in_features + m.out_features) for m in found)


def show_plan(config: TrainConfig, hardware: Hardware) -> None:
    """Print the plan of a preset for every network and number of processes."""
    from ..families.facts import SD3_ATTENTION
    from ..rl.policy import lora_pattern

    pictures = config.rollout.group_size * config.data.prompts_per_step
    log.info(
        "%d pictures a step; %.0f TFLOP/s at %.0f %%; %.0f GB/s inside a machine of %d, %.0f GB/s "
        "between machines. Computed, not measured.",
        pictures, hardware.flops / 1e12, 100 * hardware.efficiency, hardware.inside / 1e9,
        hardware.cards, hardware.between / 1e9,
    )  # fmt: skip
    log.info(
        "%-5s %-5s %5s  %9s %9s %9s %9s  %8s %8s",
        "model", "way", "GPUs", "rollout s", "update s", "wires s", "step s", "GB sent", "GB held",
    )  # fmt: skip
    for name, made in real_networks().items():
        network = measured_network(made)
        with torch.device("meta"):
            lora = lora_numbers(made()[0], lora_pattern(SD3_ATTENTION), config.model.lora_rank)
        trained = network.parameters if config.model.full else lora
        for engine in ("ddp", "fsdp"):
            for processes in PROCESSES:
                if processes > config.data.prompts_per_step or (engine, processes) == ("fsdp", 1):
                    continue
                step = planned_step(
                    network, config, hardware, processes=processes, trained=trained, engine=engine
                )
                log.info(
                    "%-5s %-5s %5d  %9.1f %9.1f %9.1f %9.1f  %8.2f %8.1f",
                    name, engine, processes, step.rollout_s, step.update_s, step.collectives_s,
                    step.seconds, step.collective_bytes / 1e9, step.memory_bytes / 1e9,
                )  # fmt: skip
