"""What a step costs: pictures and FLOPs a second, memory, rates; and the share of a peak."""

from __future__ import annotations

from typing import Any

import torch

from ..data.prompts import Task
from ..runs.memory import peak_memory
from ..settings.config import TrainConfig
from .policy import Policy

BACKWARD = {"lora": 1.0, "full": 2.0}
"""Forward passes that a backward pass costs: through frozen weights gradients only go, through
trained ones they go and into them."""


def passes(config: TrainConfig) -> tuple[float, float]:
    """Forward-equivalent passes a picture of rollout and of update."""
    rollout, loss = config.rollout, config.loss
    sides = 1 if rollout.guidance_scale == 1 else 2
    learning = 1 / sides if rollout.guidance_detached else 1.0
    backward = learning * BACKWARD[config.model.train]
    again = learning if config.model.gradient_checkpointing else 0.0
    slow = loss.kind == "nft" or (loss.kind == "awm" and loss.old_kl != 0)
    beside = float(loss.kl_coef != 0) + float(slow)  # reference, old policy
    if loss.pathwise:
        steps = rollout.num_inference_steps
        learnt = min(loss.path_steps or steps, steps)
        return 0.0, sides * (steps + learnt * (backward + again + beside))
    replayed = loss.nft_sigmas if loss.forward else rollout.window or (
        rollout.num_inference_steps - 1
    )  # fmt: skip
    if loss.kind != "nft":  # what the ratios of later updates compare with
        beside += 1 - 1 / config.optim.updates
    update = sides * replayed * (1 + backward + again + beside)
    return float(sides * rollout.num_inference_steps), float(update)


@torch.no_grad()
def step_flops(policy: Policy, config: TrainConfig) -> float:
    """FLOPs of the model in a step of all processes, from those of one forward pass; all processes
    must call it."""
    from torch.utils.flop_counter import FlopCounterMode

    asked = policy.encode([Task("", (0.0, 0.0))], 1.0)
    device = asked.emotion.device
    latents = torch.zeros(1, *policy.family.latent_shape, device=device)
    with FlopCounterMode(display=False) as counted:
        policy.velocity(latents, torch.full((1,), 0.5, device=device), asked)
    pictures = config.data.prompts_per_step * config.rollout.group_size
    return pictures * sum(passes(config)) * float(counted.get_total_flops())


def step_cost(
    policy: Policy,
    optimizer: Any,
    config: TrainConfig,
    *,
    seconds: float,
    flops: float,
    processes: int,
) -> dict[str, float]:
    """Numbers for the log of a step.

    Args:
        seconds: of the step.
        flops: from `step_flops`; 0: MFU is not told.
    """
    pictures = config.data.prompts_per_step * config.rollout.group_size
    groups = zip(
        policy.parts, optimizer.param_groups, strict=False
    )  # no adapter where it does not learn
    found = {f"rate/{part}": float(group["lr"]) for part, group in groups}
    found |= {"pictures_per_s": pictures / seconds, "memory_gib_max": peak_memory() / 2**30}
    if flops and config.peak_tflops:
        found["mfu"] = flops / seconds / (config.peak_tflops * 1e12 * processes)
    return found
