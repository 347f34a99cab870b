"""Mixing conditionings: as embeddings where their layouts agree, else as weighted predictions.

ComfyUI averages the predictions of a CONDITIONING's entries by their `strength` and computes them
in one batch. Entries whose strengths sum to 1 therefore *are* a mix of predictions, in every
sampler, guider and model, and what an entry carries (mask, area, ControlNet, timestep range, keys
of other packs) stays with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...emofeedback.errors import ConfigError

Entry = list[Any]
"""[context tokens [B, T, C], extra keys] of ComfyUI's CONDITIONING."""
Part = tuple[float, Entry]
"""A weight and what it weighs."""

POOLED = "pooled_output"
STRENGTH = "strength"


def checked_conditioning(conditioning: Any, name: str) -> list[Entry]:
    """The entries, each with an embedding of finite numbers.

    Raises: ConfigError: not connected, empty, without embedding, or holding NaN.
    """
    if not conditioning:
        raise ConfigError(
            f"The {name} conditioning is empty, so there is no prompt to work on. Connect Encode "
            "Anchors, Encode Emotion or CLIP Text Encode."
        )
    for context, _ in conditioning:
        if context is None:
            raise ConfigError(
                f"The {name} conditioning holds no text embedding. Connect a text encoder's."
            )
        check_finite(context, f"the {name} conditioning")
    return list(conditioning)


def check_finite(context: Tensor, what: str) -> None:
    """Raises: ConfigError: NaN or infinity in an embedding, which would turn pictures black."""
    if not bool(torch.isfinite(context).all()):
        raise ConfigError(
            f"In {what} the text encoder left numbers that are not finite (NaN or infinity). "
            "Run it in a wider precision, for example with --fp32-text-enc, or change the text."
        )


def mix_conditionings(parts: Sequence[tuple[float, list[Entry]]]) -> list[Entry]:
    """One conditioning from several that the same CLIP encoded.

    Args:
        parts: weights, which sum to 1, and conditionings with the same number of entries; the keys
            of the first are kept.
    Returns: mixed embeddings, as many entries as came in, or weighted entries where the layouts
        differ (texts of different token lengths): their predictions are mixed then.
    """
    weighed = [(weight, entries) for weight, entries in parts if weight != 0]
    if len(weighed) == 1:
        return weighed[0][1]
    mixed: list[Entry] = []
    for entries in zip(*(entries for _, entries in weighed), strict=True):
        group = [(weight, entry) for (weight, _), entry in zip(weighed, entries, strict=True)]
        mixed += [blend(group)] if same_layout(entries) else weigh(group)
    return mixed


def same_layout(entries: Sequence[Entry]) -> bool:
    """Whether embeddings can be added: equal shapes, and equal keys beside the pooled output."""
    (first, extra), *others = entries
    return all(
        context.shape[1:] == first.shape[1:]
        and context.shape[0] in (1, first.shape[0])
        and extra.keys() == other.keys()
        and all(_equal(extra[key], other[key]) for key in extra if key not in (POOLED, STRENGTH))
        for context, other in others
    )


def blend(parts: Sequence[Part]) -> Entry:
    """The weighted sum of entries of one layout; the first gives the keys."""
    (_, (first, extra)), *_ = parts
    context = _weighted_sum([(weight, entry[0]) for weight, entry in parts], first)
    pooled = extra.get(POOLED)
    if pooled is None:
        return [context, dict(extra)]
    summed = _weighted_sum([(weight, entry[1][POOLED]) for weight, entry in parts], pooled)
    return [context, {**extra, POOLED: summed}]


def weigh(parts: Iterable[Part]) -> list[Entry]:
    """Entries whose predictions ComfyUI mixes by these weights."""
    return [
        [context, {**extra, STRENGTH: extra.get(STRENGTH, 1.0) * weight}]
        for weight, (context, extra) in parts
    ]


def _weighted_sum(parts: Sequence[tuple[float, Tensor]], like: Tensor) -> Tensor:
    # in fp32: weights beyond 1 cancel against negative ones, which half precision does badly
    total = sum(weight * tensor.to(like.device, torch.float32) for weight, tensor in parts)
    return torch.as_tensor(total).to(like.dtype)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return (
            isinstance(one, Tensor)
            and isinstance(other, Tensor)
            and one.shape == other.shape
            and torch.equal(one.to(other.device), other)
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one is other or bool(one == other)
