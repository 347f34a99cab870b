"""Rollouts: pictures of the policy for prompts and targets, with the steps that will be replayed.

Noise is seeded by (run seed, training step, number of the picture in the whole batch), so a picture
is the same in one process or two, and after a resume.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..formulas.dynamics import DYNAMICS, ode_step
from ..settings.config import RolloutConfig
from .policy import Asked, Policy


@dataclass(frozen=True)
class Trajectories:
    """What a rollout leaves: K stochastic steps of each of B pictures, float32."""

    latents: Tensor
    """[B, K, ...] before the step."""
    next_latents: Tensor
    """[B, K, ...] after it."""
    means: Tensor
    """[B, K, ...] of the Gaussian that the next latents were drawn from."""
    sigmas: Tensor
    """[K]."""
    sigmas_next: Tensor
    """[K]."""
    clean: Tensor
    """[B, ...] endpoints."""


def seeded_noise(
    shape: Sequence[int], seed: int, step: int, pictures: Sequence[int], use: int
) -> Tensor:
    """Standard normal [B, *shape]; each row depends on (seed, step, its picture, use) alone."""
    rows = []
    for picture in pictures:
        state = np.random.SeedSequence((seed, step, picture, use)).generate_state(1, np.uint64)
        draw = torch.Generator().manual_seed(int(state[0] >> 1))
        rows.append(torch.randn(tuple(shape), generator=draw))
    return torch.stack(rows)


@dataclass(frozen=True)
class RolloutPlan:
    """Where the noise of a rollout comes from, and which steps are stochastic."""

    config: RolloutConfig
    window: range
    seed: int
    step: int
    pictures: tuple[int, ...]
    """Number of each row in the whole batch of the step."""

    def noise(self, shape: Sequence[int], rows: slice, use: int) -> Tensor:
        """Noise for rows; use 0 is the start, use 1 + i is that of step i."""
        numbers = self.pictures[rows]
        if use == 0 and self.config.same_noise:
            numbers = tuple(n - n % self.config.group_size for n in numbers)
        return seeded_noise(shape, self.seed, self.step, numbers, use)


@torch.no_grad()
def roll_out(
    policy: Policy,
    asked: Asked,
    plan: RolloutPlan,
    *,
    on_clean: Callable[[slice, Tensor], None] | None = None,
) -> Trajectories:
    """Make the pictures of a training step.

    Args:
        asked: one row a picture.
        on_clean: called with the rows and their endpoints as soon as a micro-batch is done, so
            that rewards overlap with the next one.
    """
    count = len(plan.pictures)
    parts = []
    for start in range(0, count, plan.config.micro_batch):
        rows = slice(start, min(start + plan.config.micro_batch, count))
        parts.append(_one_batch(policy, asked[rows], plan, rows))
        if on_clean is not None:
            on_clean(rows, parts[-1].clean)
    whole = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("latents", "next_latents", "means", "clean")
    }
    return Trajectories(sigmas=parts[0].sigmas, sigmas_next=parts[0].sigmas_next, **whole)


def _one_batch(policy: Policy, asked: Asked, plan: RolloutPlan, rows: slice) -> Trajectories:
    family, config = policy.family, plan.config
    device = asked.emotion.device
    sigmas = family.sigmas(config.num_inference_steps).to(device)
    latents = family.first(plan.noise(family.latent_shape, rows, 0).to(device), sigmas[0])
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    for index in range(config.num_inference_steps):
        sigma, after = sigmas[index], sigmas[index + 1]
        velocity = policy.velocity(latents, sigma.expand(len(latents)), asked)
        if index not in plan.window:
            latents = ode_step(latents, velocity, sigma, after)
            continue
        step = DYNAMICS[config.dynamics](
            latents, velocity, sigma=sigma, sigma_next=after, eta=config.eta
        )
        noise = plan.noise(family.latent_shape, rows, 1 + index).to(device)
        moved = step.mean + step.std * noise
        kept.append((latents, moved, step.mean))
        latents = moved
    chosen = list(plan.window)
    stacked = [torch.stack(each, 1) for each in zip(*kept, strict=True)]
    before, after_step, means = stacked or [latents.new_zeros(len(latents), 0)] * 3
    return Trajectories(
        latents=before,
        next_latents=after_step,
        means=means,
        sigmas=sigmas[chosen],
        sigmas_next=sigmas[[index + 1 for index in chosen]],
        clean=latents,
    )


@torch.no_grad()
def sample_clean(
    policy: Policy, asked: Asked, noise: Tensor, *, steps: int, micro_batch: int = 32
) -> Tensor:
    """Endpoints [B, ...] of the deterministic sampler, for measurements."""
    sigmas = policy.family.sigmas(steps).to(asked.emotion.device)
    done = []
    for start in range(0, len(noise), micro_batch):
        rows = slice(start, start + micro_batch)
        latents = policy.family.first(noise[rows].to(asked.emotion.device), sigmas[0])
        for sigma, after in itertools.pairwise(sigmas):
            velocity = policy.velocity(latents, sigma.expand(len(latents)), asked[rows])
            latents = ode_step(latents, velocity, sigma, after)
        done.append(latents)
    return torch.cat(done)
