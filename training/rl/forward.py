"""Updates by the losses of the forward process: on endpoints with fresh noise, for any sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..formulas.dynamics import per_picture
from ..formulas.kl import kl_metrics, velocity_kl
from ..formulas.losses import Metrics, awm_loss, matching_likelihood, nft_loss
from ..settings.config import TrainConfig
from .policy import Asked, Policy
from .rollout import seeded_noise
from .updates import Batch, Log, Row, slices

OldLikelihoods = dict[int, Tensor]
"""Of the policy that rolled out, by the first row of a micro-batch."""


@dataclass(frozen=True)
class Corrupted:
    """Endpoints with noise on them; one row a picture and noise level."""

    clean: Tensor
    noise: Tensor
    sigma: Tensor
    """[R]."""
    asked: Asked
    advantages: Tensor
    """[R]."""

    @property
    def noisy(self) -> Tensor:
        """What the model sees."""
        level = per_picture(self.sigma, self.clean)
        return (1 - level) * self.clean + level * self.noise


def forward_update(
    policy: Policy,
    batch: Batch,
    part: slice | Tensor,
    config: TrainConfig,
    *,
    old: Mapping[str, Tensor],
    likelihoods: OldLikelihoods | None = None,
) -> dict[str, float]:
    """Add the gradient of the loss for the endpoints of `part`.

    Args:
        old: parameters of the old policy, a slow average.
        likelihoods: awm: from `old_likelihoods`; None: the policy has not changed since the
            rollout, so its own serve.
    """
    loss_config, log = config.loss, Log()
    rows = _rows(batch, part, config)
    for start, piece in policy.engine.passes(slices(rows, config.optim.micro_batch)):
        seen = _corrupted(batch, piece, config)
        noisy = seen.noisy
        before = None
        if loss_config.kind == "nft" or loss_config.old_kl:
            # swapping weights in place after the forward pass would break its gradient
            with torch.no_grad(), policy.using(old):
                before = policy.velocity(noisy, seen.sigma, seen.asked)
        velocity = policy.velocity(noisy, seen.sigma, seen.asked)
        if loss_config.kind == "nft":
            assert before is not None
            loss, metrics = nft_loss(
                velocity, before, noisy, seen.clean,
                sigma=seen.sigma, advantages=seen.advantages,
                beta=loss_config.nft_beta, advantage_limit=loss_config.advantage_limit,
            )  # fmt: skip
        else:
            was = None if likelihoods is None else likelihoods[start]
            loss, metrics = _matched(velocity, before, seen, was, config)
        if loss_config.kl_coef:
            with torch.no_grad(), policy.reference():
                reference = policy.velocity(noisy, seen.sigma, seen.asked)
            kl = velocity_kl(velocity, reference)
            loss = loss + loss_config.kl_coef * kl
            metrics |= kl_metrics(kl, velocity, reference)
        policy.engine.backward((loss * batch.weights[piece.picture]).sum() / len(rows.picture))
        log.add({"loss": loss.detach().mean(), **metrics}, len(piece.picture))
    return log.result()


@torch.no_grad()
def old_likelihoods(
    policy: Policy, batch: Batch, part: slice | Tensor, config: TrainConfig
) -> OldLikelihoods:
    """Likelihoods before the first update, with the update's own slices and noise."""
    found = {}
    for start, piece in slices(_rows(batch, part, config), config.optim.micro_batch):
        seen = _corrupted(batch, piece, config)
        found[start] = _likelihood(
            policy.velocity(seen.noisy, seen.sigma, seen.asked), seen, config
        )
    return found


def _matched(
    velocity: Tensor,
    before: Tensor | None,
    seen: Corrupted,
    old_likelihood: Tensor | None,
    config: TrainConfig,
) -> tuple[Tensor, Metrics]:
    likelihood = _likelihood(velocity, seen, config)
    loss, metrics = awm_loss(
        likelihood,
        likelihood.detach() if old_likelihood is None else old_likelihood,
        seen.advantages,
        limit=config.loss.clip_range,
        advantage_limit=config.loss.advantage_limit,
    )
    if before is not None:
        shift = velocity_kl(velocity, before)
        loss = loss + config.loss.old_kl * shift
        metrics |= {"policy_shift": shift.detach().mean()}
    return loss, metrics


def _likelihood(velocity: Tensor, seen: Corrupted, config: TrainConfig) -> Tensor:
    return matching_likelihood(
        velocity, seen.clean, seen.noise, sigma=seen.sigma, weight=config.loss.awm_weight
    )


def _rows(batch: Batch, part: slice | Tensor, config: TrainConfig) -> Row:
    count = config.loss.nft_sigmas
    pictures = torch.arange(len(batch.pictures))[part]
    return Row(pictures.repeat_interleave(count), torch.arange(count).repeat(len(pictures)))


def _corrupted(batch: Batch, rows: Row, config: TrainConfig) -> Corrupted:
    """Noise level, one in each even share of those asked for, and noise, by picture and draw."""
    clean, least = batch.trajectories.clean, config.loss.nft_least_sigma
    noises, sigmas = [], []
    for picture, draw in zip(rows.picture.tolist(), rows.step.tolist(), strict=True):
        number = (batch.pictures[picture],)
        seed = (config.seed, batch.step, number)
        noises.append(seeded_noise(clean.shape[1:], *seed, use=1000 + draw))
        place = float(torch.special.ndtr(seeded_noise((1,), *seed, use=2000 + draw)))
        sigmas.append(least + (1 - least) * (draw + place) / config.loss.nft_sigmas)
    level = torch.tensor(sigmas, dtype=torch.float32).clamp(0.02, 1.0)
    return Corrupted(
        clean[rows.picture], torch.cat(noises).to(clean.device), level.to(clean.device),
        batch.asked[rows.picture], batch.advantages[rows.picture],
    )  # fmt: skip
