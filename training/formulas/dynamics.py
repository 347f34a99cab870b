"""Schedules of noise levels, and the step from one to the next: mean and spread of each dynamics.

Sigma is 1 at pure noise and 0 at the clean picture; latents are (1 - sigma) * clean + sigma * noise
and the model's velocity is noise - clean. Every dynamics has one signature, serves rollout and
replay alike, and is the deterministic (ODE) step at eta 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from emofeedback.errors import ConfigError


@dataclass(frozen=True)
class Transition:
    """The Gaussian that the next latents are drawn from."""

    mean: Tensor
    """[B, ...], shaped as the latents."""
    std: Tensor
    """[B, 1, ...], the same for all dims of a picture."""


def sigma_schedule(num_steps: int, shift: float = 1.0) -> Tensor:
    """Noise levels from 1 to 0: [num_steps + 1] float32.

    Args:
        shift: larger spends more steps near the noise: s -> shift * s / (1 + (shift - 1) * s).
    Source: SD3 (arXiv 2403.03206), equation 23.
    """
    even = torch.linspace(1, 0, num_steps + 1, dtype=torch.float64)
    return (shift * even / (1 + (shift - 1) * even)).float()


def per_picture(values: Tensor | float, like: Tensor) -> Tensor:
    """A number, or one a picture [B], shaped to multiply latents [B, ...]; float32."""
    values = torch.as_tensor(values, dtype=like.dtype, device=like.device)
    return values.expand(like.shape[0]).reshape(-1, *(1,) * (like.ndim - 1))


def row_mean(values: Tensor) -> Tensor:
    """Mean over all dims of a row: [B]."""
    return values.flatten(1).mean(1)


def flow_sde_step(
    latents: Tensor, velocity: Tensor, *, sigma: Tensor, sigma_next: Tensor, eta: float
) -> Transition:
    """Stochastic step whose marginals are those of the ODE in the limit of many steps.

    Args:
        latents, velocity: [B, ...] float32.
        sigma, sigma_next: [B] or one number; sigma > sigma_next.
        eta: noise level a of the paper; 0 is the ODE.
    Source: Flow-GRPO (arXiv 2505.05470), equation 12; at sigma 1, where the noise would be
        infinite, the spread takes 1 - sigma of the next level, as the authors' code does.
    """
    sigma, sigma_next = per_picture(sigma, latents), per_picture(sigma_next, latents)
    dt = sigma_next - sigma
    level = torch.where(sigma < 1, sigma, sigma_next)
    noise_rate = eta * (sigma / (1 - level)).sqrt()
    drift = noise_rate.square() / (2 * sigma)
    mean = latents * (1 + drift * dt) + velocity * (1 + drift * (1 - sigma)) * dt
    return Transition(mean, noise_rate * (-dt).sqrt())


def cps_step(
    latents: Tensor, velocity: Tensor, *, sigma: Tensor, sigma_next: Tensor, eta: float
) -> Transition:
    """Stochastic step that keeps the total noise coefficient at sigma_next exactly.

    Args: as `flow_sde_step`; eta in [0, 1] is the share of fresh noise.
    Source: Flow-CPS (arXiv 2509.05952).
    """
    sigma, sigma_next = per_picture(sigma, latents), per_picture(sigma_next, latents)
    std = sigma_next * math.sin(eta * math.pi / 2)
    return _kept_noise(latents, velocity, sigma, sigma_next, std)


def ddim_step(
    latents: Tensor, velocity: Tensor, *, sigma: Tensor, sigma_next: Tensor, eta: float
) -> Transition:
    """DDIM's stochastic step, for networks that were trained to predict noise.

    With a^2 + b^2 = 1 and sigma = b / (a + b), DDIM's deviation is
    eta (b' / b) sqrt(1 - a^2 / a'^2) of latents that are a + b times ours.

    Args: as `flow_sde_step`; eta 1 is DDPM.
    Source: DDIM (arXiv 2010.02502), equation 16.
    """
    sigma, sigma_next = per_picture(sigma, latents), per_picture(sigma_next, latents)
    size, size_next = (((1 - s).square() + s.square()).sqrt() for s in (sigma, sigma_next))
    signal, noise = (1 - sigma) / size, sigma / size
    signal_next, noise_next = (1 - sigma_next) / size_next, sigma_next / size_next
    std = eta * noise_next / noise * (1 - (signal / signal_next).square()).sqrt() * size_next
    return _kept_noise(latents, velocity, sigma, sigma_next, std)


def _kept_noise(
    latents: Tensor, velocity: Tensor, sigma: Tensor, sigma_next: Tensor, std: Tensor
) -> Transition:
    """The step to sigma_next of which `std` is fresh noise and the rest the predicted one."""
    clean = latents - sigma * velocity
    noise = latents + (1 - sigma) * velocity
    mean = (1 - sigma_next) * clean + (sigma_next.square() - std.square()).sqrt() * noise
    return Transition(mean, std)


def dance_step(
    latents: Tensor, velocity: Tensor, *, sigma: Tensor, sigma_next: Tensor, eta: float
) -> Transition:
    """Stochastic step whose noise has the same rate at every level.

    Args: as `flow_sde_step`; eta 0.3 in the paper, with one starting noise for all pictures of a
        group (`rollout.same_noise`).
    Source: DanceGRPO (arXiv 2505.07818); the score is -x1 / sigma with x1 the predicted noise.
    """
    sigma, sigma_next = per_picture(sigma, latents), per_picture(sigma_next, latents)
    dt = sigma_next - sigma
    noise = latents + (1 - sigma) * velocity
    mean = latents + velocity * dt + eta**2 / 2 * noise / sigma * dt
    return Transition(mean, eta * (-dt).sqrt())


DYNAMICS: dict[str, Callable[..., Transition]] = {
    "cps": cps_step,
    "flow_sde": flow_sde_step,
    "ddim": ddim_step,
    "dance": dance_step,
}


def ode_step(latents: Tensor, velocity: Tensor, sigma: Tensor, sigma_next: Tensor) -> Tensor:
    """Euler's step: latents [B, ...] at sigma_next."""
    return latents + (sigma_next - sigma) * velocity


def sde_window(seed: int, step: int, *, num_steps: int, size: int, end: int) -> range:
    """The contiguous steps that are stochastic and trained, one draw for all groups of a step.

    It depends on the seed and the training step alone, hence is the same in every process.

    Args:
        size: steps in the window; 0: all but the last, from the start.
        end: first step that the window may not reach, at most num_steps - 1: the last step adds
            no noise.
    Raises: ConfigError: the window does not fit.
    """
    if size == 0:
        return range(num_steps - 1)
    if size > end or end > num_steps - 1:
        raise ConfigError(
            f"rollout.window is {size}, but stochastic steps may lie in the first {end} of "
            f"{num_steps} only. Set a smaller window, or raise rollout.window_share."
        )
    draw = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
    start = int(torch.randint(end - size + 1, (1,), generator=draw))
    return range(start, start + size)
