"""Continuing a cached prompt in several ways at once, without copying its cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def branch_inputs(model: Any, steps: Tensor, *, length: int, count: int) -> dict[str, Tensor]:
    """What a model takes after a prompt to read the end of every branch in one pass.

    The branches stand side by side behind the prompt: each at the positions right after it, and
    blind to the others. So the prompt's keys and values are kept once for all of them.

    Args:
        model: has just read the prompt.
        steps: [N, S], the tokens of each branch.
        length: tokens of the prompt.
        count: rows B of the prompt.
    Returns: inputs [B, N * S]; the logits [B, N, vocabulary] are those after each branch.
    """
    branches, size = steps.shape
    own = torch.block_diag(*[torch.ones(size, size).tril()] * branches).bool()
    seen = torch.cat([torch.ones(branches * size, length, dtype=torch.bool), own], 1)
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(model.dtype).min)
    # where pictures take fewer positions than tokens, the models remember by how many
    shift = getattr(getattr(model, "model", model), "rope_deltas", None)
    places = length + torch.arange(size).repeat(branches)
    return {
        "input_ids": steps.flatten().expand(count, -1),
        "attention_mask": mask.to(steps.device, model.dtype).expand(count, 1, -1, -1),
        "position_ids": places.to(steps.device).expand(count, -1) + (0 if shift is None else shift),
        "logits_to_keep": torch.arange(1, branches + 1, device=steps.device) * size - 1,
    }
