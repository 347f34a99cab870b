"""A step in the shape of public Flow-GRPO code (arXiv 2505.05470, its fast variant): what ours is
timed against.

Written anew over the same network, words and schedule. What makes its shape: the network is called
without an emotion adapter, rollouts keep the log-density of each stochastic step, a replay takes
one step of a batch at a time and compares log-densities with all their constants, the reference is
a second pass with the LoRA off, guidance is one pass over both branches, the plain one detached,
and an average follows the weights after each optimiser step. Rewards are drawn, since both sides
would wait for the same. It is not that code, nor a copy: how that runs must be seen by running it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..families.base import Words
from ..families.words import expanded, stacked
from ..formulas.dynamics import DYNAMICS, ode_step, sde_window


@dataclass(frozen=True)
class Stored:
    """One stochastic step of a batch."""

    index: int
    latents: Tensor
    after: Tensor
    density: Tensor
    """[B] mean log-density of a number of the step."""


class PublicLoop:
    """The loop around the network of one of our trainers, whose weights it leaves as they are.

    Args:
        trainer: gives network, settings, prompts and the step's number.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer, self._policy = trainer, trainer.policy
        self._weights = [
            value
            for name, value in self._policy.parameters().items()
            if name.startswith("transformer.")
        ]
        self._average = [value.detach().clone() for value in self._weights]
        # a rate of 0 costs what any other does
        self._optimizer = torch.optim.AdamW(self._weights, lr=0.0)

    def step(self) -> None:
        """Rollout and updates of one training step."""
        config = self._trainer.config
        tasks, _ = self._trainer.share_of_step()
        words = self._policy.words([task.told for task in tasks])
        size = config.rollout.micro_batch
        batches = [tuple(w[i : i + size] for w in words) for i in range(0, len(tasks), size)]
        stored = [self._rollout(batch) for batch in batches]
        device = words[0].device
        advantages = torch.randn(len(tasks), device=device).split(size)
        rounds = max(1, math.ceil(len(batches) / config.optim.updates))
        for number, (batch, steps, advantage) in enumerate(
            zip(batches, stored, advantages, strict=True), 1
        ):
            for each in steps:
                self._replay(batch, each, advantage, len(steps) * rounds)
            if number % rounds == 0 or number == len(batches):
                self._optimise(config.optim.clip_norm)

    @torch.no_grad()
    def _rollout(self, words: Words) -> list[Stored]:
        trainer, family = self._trainer, self._policy.family
        rollout = trainer.config.rollout
        window = sde_window(
            trainer.config.seed, trainer.step, num_steps=rollout.num_inference_steps,
            size=rollout.window, end=rollout.window_end,
        )  # fmt: skip
        sigmas = family.sigmas(rollout.num_inference_steps).to(words[0].device)
        latents = torch.randn(len(words[0]), *family.latent_shape, device=words[0].device)
        stored = []
        for index in range(rollout.num_inference_steps):
            if index not in window:
                velocity = self._velocity(latents, sigmas[index], words)
                latents = ode_step(latents, velocity, sigmas[index], sigmas[index + 1])
                continue
            mean, std, _ = self._move(latents, index, words)
            after = mean + std * torch.randn_like(mean)
            stored.append(Stored(index, latents, after, log_density(after, mean, std)))
            latents = after
        return stored

    def _replay(self, words: Words, kept: Stored, advantages: Tensor, count: int) -> None:
        config = self._trainer.config
        mean, std, velocity = self._move(kept.latents, kept.index, words)
        ratio = (log_density(kept.after, mean, std) - kept.density).exp()
        room = config.loss.clip_range
        clipped = ratio.clamp(1 - room, 1 + room)
        loss = torch.maximum(-advantages * ratio, -advantages * clipped).mean()
        if config.loss.kl_coef:
            with torch.no_grad(), self._policy.reference():
                reference = self._move(kept.latents, kept.index, words)[2]
            loss = loss + config.loss.kl_coef * (velocity - reference).square().mean()
        (loss / count).backward()

    def _move(self, latents: Tensor, index: int, words: Words) -> tuple[Tensor, Tensor, Tensor]:
        rollout = self._trainer.config.rollout
        sigmas = self._policy.family.sigmas(rollout.num_inference_steps).to(latents.device)
        velocity = self._velocity(latents, sigmas[index], words)
        move = DYNAMICS[rollout.dynamics](
            latents, velocity, sigma=sigmas[index], sigma_next=sigmas[index + 1], eta=rollout.eta
        )
        return move.mean, move.std, velocity

    def _velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        policy, guidance = self._policy, self._trainer.config.rollout.guidance_scale
        guided = guidance != 1
        if guided:
            words = stacked([words, expanded(policy.words([""]), len(latents))])
            latents = latents.repeat(2, *(1,) * (latents.ndim - 1))
        dtype = policy.dtype
        with torch.autocast(latents.device.type, dtype, enabled=dtype != torch.float32):
            found = policy.family.velocity(latents, sigma.expand(len(latents)), words)
        velocity = torch.as_tensor(found).float()
        if not guided:
            return velocity
        wanted, plain = velocity.chunk(2)
        return torch.as_tensor(policy.family.guided(wanted, plain.detach(), guidance))

    def _optimise(self, clip_norm: float) -> None:
        nn.utils.clip_grad_norm_(self._weights, clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for kept, value in zip(self._average, self._weights, strict=True):
                kept.lerp_(value, 0.1)


def log_density(after: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """[B] log-density of a Gaussian step, mean over its numbers."""
    each = -(after - mean).square() / (2 * std**2) - std.log() - math.log(2 * math.pi) / 2
    return each.flatten(1).mean(1)
