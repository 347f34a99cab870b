"""The optimiser of LoRA and adapter."""

from __future__ import annotations

import torch

from ..settings.config import OptimConfig
from .policy import PARTS, Policy


def new_optimizer(policy: Policy, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW with a rate for the LoRA and one for the adapter."""
    named = policy.parameters()
    rates = {"LoRA": config.learning_rate, "adapter": config.adapter_rate}
    groups = [
        {"params": [p for n, p in named.items() if n.startswith(PARTS[part])], "lr": rate}
        for part, rate in rates.items()
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], weight_decay=config.weight_decay
    )
