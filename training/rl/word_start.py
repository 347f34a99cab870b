"""A supervised start of the adapter from words alone: what an emotional prompt does, V-A shall do.

Two losses. `features` moves the neutral prompt's embedding towards the emotional one's, as
EmotiCrafter (arXiv 2501.05710, equation 5: the target is f_n + strength (f_e - f_n)); prompts of
different length are misaligned there. `velocity` asks for the same picture instead: the network
with the neutral prompt and the emotion shall move latents as it does with the emotional prompt, on
latents that it met on its own way.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..data.word_pairs import WordPair
from ..families.words import stacked
from ..settings.config import TrainConfig
from .policy import Asked, Policy
from .rollout import seeded_noise


def word_loss(
    policy: Policy, pairs: Sequence[WordPair], weights: Tensor, config: TrainConfig, step: int
) -> Tensor:
    """Loss of one batch; a function of seed and step.

    Args:
        weights: [N] of each pair.
    """
    random = np.random.default_rng((config.seed, step))
    chosen = random.choice(len(pairs), config.optim.micro_batch, replace=True)
    batch = [pairs[index] for index in chosen]
    errors = (
        feature_errors(policy, batch, config.start.strength)
        if config.start.loss == "features"
        else velocity_errors(policy, batch, config, step, random)
    )
    return (weights[chosen].to(errors.device) * errors).mean()


def feature_errors(policy: Policy, batch: Sequence[WordPair], strength: float) -> Tensor:
    """[B] mean squared error of the moved embedding, padding left out."""
    rows = len(batch)
    both = [policy.words([each.neutral]) for each in batch]
    both += [policy.words([each.emotional]) for each in batch]
    words = stacked(both)
    neutral, emotional = (tuple(part[half] for part in words) for half in halves(rows))
    moved = policy.adapter(neutral[0], neutral[1], _emotions(batch, neutral[0]))
    errors = []
    for before, after, made in zip(neutral, emotional, moved, strict=False):
        if before.shape[-1] == 0:
            continue
        wanted = before + strength * (after - before)
        each = (made - wanted).square().mean(-1)
        if each.ndim == 2 and len(neutral) > 2:
            kept = neutral[2].float()
            each = (each * kept).sum(1) / kept.sum(1)
        errors.append(each.flatten(1).mean(1) if each.ndim > 1 else each)
    return torch.stack(errors).mean(0)


def velocity_errors(
    policy: Policy, batch: Sequence[WordPair], config: TrainConfig, step: int,
    random: np.random.Generator,
) -> Tensor:  # fmt: skip
    """[B] mean squared distance of the velocities, on some steps of the emotional prompts' way."""
    emotional = policy.words([each.emotional for each in batch])
    neutral = policy.words([each.neutral for each in batch])
    emotion = _emotions(batch, emotional[0])
    family, device = policy.family, emotional[0].device
    sigmas = family.sigmas(config.start.steps).to(device)
    replayed = set(random.choice(config.start.steps, config.start.replayed, replace=False).tolist())
    noise = seeded_noise(family.latent_shape, config.seed, step, range(len(batch)), 0)
    latents = family.first(noise.to(device), sigmas[0])
    teacher, pupil = Asked(emotional, emotion), Asked(neutral, emotion)
    errors = torch.zeros(len(batch), device=device)
    for index, (sigma, after) in enumerate(itertools.pairwise(sigmas)):
        level = sigma.expand(len(batch))
        with torch.no_grad(), policy.without_emotion():
            wanted = policy.velocity(latents, level, teacher)
        if index in replayed:
            made = policy.velocity(latents, level, pupil)
            errors = errors + (made - wanted).square().flatten(1).mean(1)
        latents = latents + (after - sigma) * wanted
    return errors / len(replayed)


def halves(rows: int) -> tuple[slice, slice]:
    """The first and the second half of a batch of two."""
    return slice(0, rows), slice(rows, 2 * rows)


def _emotions(batch: Sequence[WordPair], like: Tensor) -> Tensor:
    return torch.tensor([each.emotion for each in batch], device=like.device)
