"""The optimiser of LoRA and adapter, and its steps over several processes."""

from __future__ import annotations

import torch

from ..settings.config import OptimConfig
from .policy import PARTS, Policy
from .processes import Processes


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


def optimise(
    policy: Policy, optimizer: torch.optim.Optimizer, processes: Processes, *, clip_norm: float
) -> dict[str, float]:
    """One step on the mean gradient of all processes; skipped where it is not finite."""
    parameters = [p for p in policy.parameters().values() if p.grad is not None]
    if processes.count > 1:
        flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
        flat = processes.mean(flat)
        sizes = [parameter.numel() for parameter in parameters]
        for parameter, part in zip(parameters, flat.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)
    norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    if bool(norm.isfinite()):
        optimizer.step()
    return {"grad_norm": float(norm), "update_skipped": float(not norm.isfinite())}
