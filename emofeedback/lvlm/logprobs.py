"""What a local model thought of each token that it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .base import TokenLogprobs


def told_logprobs(
    tokenizer: Any, ids: Tensor, logits: Sequence[Tensor], top: int
) -> tuple[TokenLogprobs, ...]:
    """What the model thought of each written token: itself first, then the `top` likeliest.

    Args:
        ids: [T] of the written tokens; special ones are left out.
        logits: one [1, vocabulary] a token; none gives nothing.
    """
    told = []
    for token, at in zip(ids.tolist(), logits, strict=False):
        if token in tokenizer.all_special_ids:
            continue
        chances = at[0].float().log_softmax(-1)
        likeliest = [token, *chances.topk(top).indices.tolist()]
        told.append(tuple((tokenizer.decode([each]), float(chances[each])) for each in likeliest))
    return tuple(told)
