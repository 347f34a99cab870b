"""The optimiser of what is trained."""

from __future__ import annotations

import torch

from ..settings.config import OptimConfig
from .policy import Policy


def new_optimizer(policy: Policy, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW with a rate for LoRA or network and one for the adapter."""
    named, rates = policy.parameters(), (config.learning_rate, config.adapter_rate)
    groups = [
        {"params": [p for n, p in named.items() if n.startswith(start)], "lr": rate}
        for start, rate in zip(policy.parts.values(), rates, strict=True)
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], weight_decay=config.weight_decay
    )
