"""How much the gradients of independent steps agree: what a run can learn from so many pictures."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import torch
from torch import Tensor

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
    """Say it for the steps of a trainer, whose weights stay as they are."""
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    found = []
    for _ in range(steps):
        trainer.train_step()
        named = trainer.policy.parameters().values()
        found.append(torch.cat([p.grad.flatten() for p in named if p.grad is not None]))
    for group, rate in zip(trainer.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    config = trainer.config
    pictures = config.rollout.group_size * config.data.prompts_per_step
    log.info(
        "gradients of two steps of %d pictures: cosine %.3f +- %.3f (%d steps)",
        pictures, *agreement(torch.stack(found)), steps,
    )  # fmt: skip
