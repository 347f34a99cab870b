"""How much the gradients of independent steps agree: what a run can learn from so many pictures."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import torch
from torch import Tensor

from ..rl.policy import Policy

log = logging.getLogger(__name__)


def agreement(gradients: Tensor) -> tuple[float, float]:
    """Mean cosine of two steps' gradients, and its standard error.

    A cosine c means that the signal is c of a step's squared gradient: it takes about 1 / c steps
    until what they have in common is as long as what is chance.

    Args:
        gradients: [N, P], one row a step, all of the same weights; N at least 3.
    """
    rows = gradients.double()
    products = rows @ rows.T
    pairs = torch.tensor([products[i, j] for i, j in itertools.combinations(range(len(rows)), 2)])
    length = products.diagonal().mean()
    return float(pairs.mean() / length), float(pairs.std() / len(pairs) ** 0.5 / length)


def report_agreement(trainer: Any, steps: int) -> None:
    """Say it for the steps of a trainer, whose weights stay as they are.

    LoRA and adapter apart: the optimiser gives each weight its own scale, so the longer gradient
    of the LoRA must not hide how clear that of the adapter is.
    """
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    parts = trainer.policy.parts
    found: dict[str, list[Tensor]] = {part: [] for part in parts}
    for _ in range(steps):
        trainer.train_step()
        for part, rows in found.items():
            rows.append(_gradient(trainer.policy, parts[part]))
    for group, rate in zip(trainer.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    config = trainer.config
    pictures = config.rollout.group_size * config.data.prompts_per_step
    for part, rows in found.items():
        if rows[0].numel():
            log.info(
                "gradients of two steps of %d pictures, %s: cosine %.4f +- %.4f (%d steps)",
                pictures, part, *agreement(torch.stack(rows)), steps,
            )  # fmt: skip


def _gradient(policy: Policy, prefix: str) -> Tensor:
    """Of the last step, for the trained weights whose names begin so: [P]."""
    named = policy.parameters().items()
    return torch.cat(
        [p.grad.flatten() for n, p in named if n.startswith(prefix) and p.grad is not None]
        or [torch.empty(0)]
    )
