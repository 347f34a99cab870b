"""Moving averages of trained weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def young_decay(decay: float, step: int) -> float:
    """The decay of an average after `step` steps: a young one follows closely, else it would still
    hold the initial weights."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def follow(average: Mapping[str, Tensor], values: Mapping[str, Tensor], *, decay: float) -> None:
    """Move an average, in place, towards the values of the same names."""
    for name, kept in average.items():
        kept.lerp_(values[name].detach(), 1 - decay)
