"""How much better each picture did than the other pictures of its prompt and target."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from emofeedback.errors import EmoFeedbackError

SMALL_GROUP = 8
SMALLEST_SPREAD = 1e-6
"""A group whose rewards spread less than this is as good as constant."""


@dataclass(frozen=True)
class Advantages:
    """Advantages with what they say about the rewards."""

    values: Tensor
    """[B] float32."""
    zero_std_ratio: float
    """Share of groups whose rewards are all equal: nothing is learnt from them."""
    nan_ratio: float
    """Share of pictures without a reward; they are left out of their group."""


def group_advantages(
    rewards: Tensor, *, group_size: int, limit: float = 5.0, scale: str = "batch"
) -> Advantages:
    """Reward minus the group's mean, divided by a standard deviation.

    Args:
        rewards: [B], one a picture (never repeated over steps: that would shrink the deviation),
            pictures of one group adjacent; NaN where a picture has none.
        limit: advantages are clipped to [-limit, limit].
        scale: "batch": one deviation for all; "group": each group's own.
    Returns: zero throughout a group of equal rewards, and for NaN.
    Raises: ValueError: B is no multiple of `group_size`, or the scale is unknown.
    Source: Flow-GRPO (arXiv 2505.05470): mean of the group, deviation of the batch.
    """
    if scale not in ("batch", "group"):
        raise ValueError(f"scale is {scale!r}. Known: batch, group.")
    if rewards.ndim != 1 or len(rewards) % group_size:
        raise ValueError(f"{tuple(rewards.shape)} rewards do not form groups of {group_size}.")
    groups = rewards.double().reshape(-1, group_size)
    present = ~groups.isnan()
    centred = groups - groups.nanmean(1, keepdim=True)
    spread = _deviation(centred)
    flat = spread < SMALLEST_SPREAD
    if scale == "batch":
        whole = groups[present]
        spread = whole.std(unbiased=False) if len(whole) else torch.zeros(())
    values = (centred / (spread + 1e-4)).clamp(-limit, limit)
    values = torch.where(present & ~flat, values, 0.0)
    return Advantages(
        values.flatten().float(), float(flat.double().mean()), float((~present).double().mean())
    )


def nan_warning(share: float) -> str:
    """What to say of pictures without a reward; empty without any.

    Raises: EmoFeedbackError: most have none.
    """
    if share > 0.5:
        raise EmoFeedbackError(
            f"{share:.0%} of the pictures got no reward (NaN), so there is nothing to learn from. "
            "Look at the pictures in the run's sheets and at the reward model."
        )
    return f"{share:.0%} of the pictures got NaN for a reward." if share else ""


def flat_warning(share: float) -> str:
    """What to say of groups of equal rewards; empty while they are few."""
    if share <= 0.5:
        return ""
    return (
        f"{share:.0%} of the groups have equal rewards and teach nothing: use "
        "reward.emotion_form=continuous, more noise, or larger groups."
    )


def _deviation(centred: Tensor) -> Tensor:
    """[G, 1]; 0 where at most one reward is there."""
    return centred.square().nanmean(1, keepdim=True).sqrt().nan_to_num(0.0)


def small_warning(group_size: int, num_groups: int) -> str:
    """What to say of groups too few or too small to learn from, "" where they are not."""
    if group_size >= SMALL_GROUP and num_groups > 1:
        return ""
    return (
        f"Groups of {group_size} and {num_groups} of them a step are few: the reward may not rise. "
        f"{SMALL_GROUP} or more pictures a group, and several groups, are steadier."
    )
