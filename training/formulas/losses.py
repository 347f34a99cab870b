"""Losses of both families, as pure functions: a scalar to minimise and numbers for the log.

Reverse process: `clip` and `guard` weigh the change of a stochastic step's mean by its advantage.
Forward process: `nft` pulls the velocity towards good endpoints and from bad ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .dynamics import per_picture, row_mean

Metrics = dict[str, Tensor]
SMALLEST_WEIGHT = 1e-5


@dataclass(frozen=True)
class PolicyMove:
    """How a stochastic step changed since the rollout; all in units of the step's spread."""

    noise: Tensor
    """[B, ...] (next latents - old mean) / std: the noise that the rollout drew."""
    shift: Tensor
    """[B, ...] (mean - old mean) / std; carries the gradient."""
    std: Tensor
    """[B] spread of the step."""
    dt: Tensor
    """[B] sigma_next - sigma, below 0."""


def log_ratio(move: PolicyMove) -> Tensor:
    """Log of the new over the old density of the step taken, mean over dims: [B].

    Source: difference of two Gaussian log densities of equal spread; Flow-GRPO takes the mean
        over dims, not the sum.
    """
    return row_mean(move.noise * move.shift) - row_mean(move.shift.square()) / 2


def guard_log_ratio(move: PolicyMove) -> Tensor:
    """The log-ratio without its negative mean and in units free of the step's spread: [B].

    Source: GRPO-Guard (arXiv 2510.22319); std * (log_ratio + mean of the squared shift / 2).
    """
    return row_mean(move.noise * move.shift) * move.std


def clip_loss(move: PolicyMove, advantages: Tensor, *, clip_range: float) -> tuple[Tensor, Metrics]:
    """PPO's clipped loss, one value a row: [B], and the log.

    Args:
        advantages: [B].
        clip_range: the ratio may move by this much before its gradient stops.
    """
    return _clipped(log_ratio(move), advantages, clip_range)


def guard_loss(
    move: PolicyMove, advantages: Tensor, *, clip_range: float
) -> tuple[Tensor, Metrics]:
    """The clipped loss of the normalised ratio, with equal weight for every noise level: [B]."""
    loss, metrics = _clipped(guard_log_ratio(move), advantages, clip_range)
    return loss / -move.dt, metrics


RATIO_LOSSES: dict[str, Callable[..., tuple[Tensor, Metrics]]] = {
    "clip": clip_loss,
    "guard": guard_loss,
}


def nft_loss(
    velocity: Tensor,
    old_velocity: Tensor,
    noisy: Tensor,
    clean: Tensor,
    *,
    sigma: Tensor,
    advantages: Tensor,
    beta: float,
    advantage_limit: float,
) -> tuple[Tensor, Metrics]:
    """Loss of the forward process on rollout endpoints, one value a row: [B], and the log.

    Args:
        velocity, old_velocity: [B, ...] of the trained and the old policy at `noisy`.
        noisy: (1 - sigma) * clean + sigma * noise.
        clean: [B, ...] endpoints of the rollout.
        sigma, advantages: [B].
        beta: how far the implicit policies lie from the old one; 1 as the paper.
        advantage_limit: advantages of this size count as certainly good or bad.
    Source: DiffusionNFT (arXiv 2509.16117).
    """
    good = 0.5 + 0.5 * (advantages / advantage_limit).clamp(-1, 1)
    level = per_picture(sigma, clean)
    towards = (1 - beta) * old_velocity + beta * velocity
    away = (1 + beta) * old_velocity - beta * velocity
    errors = [_self_weighted(noisy - level * each, clean) for each in (towards, away)]
    loss = advantage_limit / beta * (good * errors[0] + (1 - good) * errors[1])
    return loss, {"policy_shift": row_mean((velocity - old_velocity).detach().square()).mean()}


def _self_weighted(prediction: Tensor, clean: Tensor) -> Tensor:
    """Squared error over its own (constant) mean absolute error: [B]."""
    with torch.no_grad():
        weight = row_mean((prediction - clean).abs()).clamp_min(SMALLEST_WEIGHT)
    return row_mean((prediction - clean).square()) / weight


def _clipped(log_ratios: Tensor, advantages: Tensor, clip_range: float) -> tuple[Tensor, Metrics]:
    ratio = log_ratios.exp()
    limited = ratio.clamp(1 - clip_range, 1 + clip_range)
    loss = torch.maximum(-advantages * ratio, -advantages * limited)
    seen = ratio.detach()
    metrics = {
        "ratio_mean": seen.mean(),
        "ratio_min": seen.min(),
        "ratio_max": seen.max(),
        "log_ratio_abs": log_ratios.detach().abs().max(),
        "clip_fraction_high": ((seen > 1 + clip_range) & (advantages > 0)).float().mean(),
        "clip_fraction_low": ((seen < 1 - clip_range) & (advantages < 0)).float().mean(),
    }
    return loss, metrics
