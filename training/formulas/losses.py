"""Losses of both families, as pure functions: a scalar to minimise and numbers for the log.

Reverse process: `clip`, `guard` and `dppo` weigh the change of a stochastic step's mean by its
advantage. Forward process: `nft` pulls the velocity towards good endpoints and from bad ones, `awm`
weighs how likely an endpoint has become.
"""

from __future__ import annotations

import math
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


def clip_loss(move: PolicyMove, advantages: Tensor, *, limit: float) -> tuple[Tensor, Metrics]:
    """PPO's clipped loss, one value a row: [B], and the log.

    Args:
        advantages: [B].
        limit: the ratio may move by this much before its gradient stops.
    """
    return _clipped(log_ratio(move), advantages, limit)


def guard_loss(move: PolicyMove, advantages: Tensor, *, limit: float) -> tuple[Tensor, Metrics]:
    """The clipped loss of the normalised ratio, with equal weight for every noise level: [B]."""
    loss, metrics = _clipped(guard_log_ratio(move), advantages, limit)
    return loss / -move.dt, metrics


def dppo_loss(move: PolicyMove, advantages: Tensor, *, limit: float) -> tuple[Tensor, Metrics]:
    """The plain ratio loss, without the rows that are far off already and go farther: [B].

    Args:
        limit: divergence of the two steps, mean over dims, from which a row is far off; unlike a
            ratio it does not depend on the number of dims.
    Source: Flow-DPPO (arXiv 2606.11025).
    """
    logs = log_ratio(move)
    ratio = logs.exp()
    divergence = row_mean(move.shift.detach().square()) / 2
    farther = logs.detach() * advantages > 0
    kept = ~((divergence >= limit) & farther)
    metrics = _ratio_log(logs) | {
        "masked_fraction": (~kept).float().mean(),
        "divergence": divergence.mean(),
    }
    return torch.where(kept, -advantages * ratio, 0.0), metrics


RATIO_LOSSES: dict[str, Callable[..., tuple[Tensor, Metrics]]] = {
    "clip": clip_loss,
    "guard": guard_loss,
    "dppo": dppo_loss,
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


HUBER_FLOOR = 1e-10
MATCHING_POWERS: dict[str, tuple[float, int]] = {
    "uniform": (1.0, 0),
    "sigma": (1.0, 1),
    "sigma2": (1.0, 2),
    "huber": (0.5, 1),
    "ghuber": (0.25, 1),
}
"""By name: the power of the squared error, and that of sigma. A small power is robust: an endpoint
that the model would never paint does not outweigh the others."""


def matching_likelihood(
    velocity: Tensor, clean: Tensor, noise: Tensor, *, sigma: Tensor, weight: str
) -> Tensor:
    """How likely a clean picture is, as flow matching sees it at one noise level: [B], at most 0.

    Args:
        velocity: [B, ...] at (1 - sigma) * clean + sigma * noise.
        weight: a name of `MATCHING_POWERS`.
    Source: AWM (arXiv 2509.25050); the constants of the powers below 1 are those of its code.
    """
    error = row_mean((velocity - (noise - clean)).square())
    power, of_sigma = MATCHING_POWERS[weight]
    if power == 1:
        return -error * sigma.pow(of_sigma)
    robust = (error + HUBER_FLOOR).pow(power) - math.pow(HUBER_FLOOR, power)
    scale = 1.0 if weight == "huber" else power
    return -robust / scale * sigma.pow(of_sigma)


def awm_loss(
    likelihood: Tensor,
    old_likelihood: Tensor,
    advantages: Tensor,
    *,
    limit: float,
    advantage_limit: float,
) -> tuple[Tensor, Metrics]:
    """PPO's clipped loss of the likelihood of rollout endpoints, one value a row: [B], and the log.

    Args:
        likelihood, old_likelihood: [B] of the policy and of the one that rolled out, at the same
            noise.
        limit: as in `clip_loss`.
        advantage_limit: advantages of this size count as 1.
    Source: AWM (arXiv 2509.25050).
    """
    scaled = advantages.clamp(-advantage_limit, advantage_limit) / advantage_limit
    return _clipped(likelihood - old_likelihood, scaled, limit)


def _self_weighted(prediction: Tensor, clean: Tensor) -> Tensor:
    """Squared error over its own (constant) mean absolute error: [B]."""
    with torch.no_grad():
        weight = row_mean((prediction - clean).abs()).clamp_min(SMALLEST_WEIGHT)
    return row_mean((prediction - clean).square()) / weight


def _clipped(log_ratios: Tensor, advantages: Tensor, limit: float) -> tuple[Tensor, Metrics]:
    ratio = log_ratios.exp()
    limited = ratio.clamp(1 - limit, 1 + limit)
    loss = torch.maximum(-advantages * ratio, -advantages * limited)
    seen = ratio.detach()
    return loss, _ratio_log(log_ratios) | {
        "clip_fraction_high": ((seen > 1 + limit) & (advantages > 0)).float().mean(),
        "clip_fraction_low": ((seen < 1 - limit) & (advantages < 0)).float().mean(),
    }


def _ratio_log(log_ratios: Tensor) -> Metrics:
    logs = log_ratios.detach()
    seen = logs.exp()
    return {
        "ratio_mean": seen.mean(),
        "ratio_min": seen.min(),
        "ratio_max": seen.max(),
        "log_ratio_abs": logs.abs().max(),
    }
