"""From rollout and advantages to gradients: the losses of the reverse process.

Updates walk over rows in micro-batches and divide by the rows of the whole update, so the gradient
is the same for any split, and return the log of the update; those of the forward process stand in
`forward`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..formulas.dynamics import DYNAMICS, per_picture
from ..formulas.kl import kl_metrics, mean_kl, velocity_kl
from ..formulas.losses import RATIO_LOSSES, Metrics, PolicyMove
from ..settings.config import TrainConfig
from .policy import Asked, Policy
from .rollout import Trajectories

OldMeans = dict[int, Tensor]
"""Means of the policy that rolled out, by the first row of a micro-batch."""


@dataclass(frozen=True)
class Batch:
    """All that an update needs of a step; one row a picture unless said otherwise."""

    asked: Asked
    trajectories: Trajectories
    advantages: Tensor
    """[B]."""
    weights: Tensor
    """[B] of each picture in the mean: 0 for those that only fill up a process's share."""
    pictures: tuple[int, ...]
    """Number of each picture in the whole batch of the step, over all processes."""
    step: int


@dataclass(frozen=True)
class Row:
    """Rows of the replay: picture and stochastic step."""

    picture: Tensor
    step: Tensor


class Log:
    """Averages metrics over micro-batches by their rows; extremes stay extremes."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._weights: dict[str, float] = defaultdict(float)

    def add(self, metrics: Mapping[str, Tensor | float], rows: int) -> None:
        """Take in the numbers of a micro-batch."""
        for name, value in metrics.items():
            number = float(value)
            if name.endswith(("_max", "_abs")):
                self._sums[name] = max(self._sums.get(name, number), number)
            elif name.endswith("_min"):
                self._sums[name] = min(self._sums.get(name, number), number)
            else:
                self._sums[name] += number * rows
                self._weights[name] += rows

    def result(self) -> dict[str, float]:
        """Each metric once."""
        return {name: total / self._weights.get(name, 1.0) for name, total in self._sums.items()}


def replay_rows(batch: Batch, part: slice | Tensor) -> Row:
    """Rows (picture x window step) of the pictures of one update."""
    count, steps = batch.trajectories.latents.shape[:2]
    pictures = torch.arange(count)[part]
    return Row(pictures.repeat_interleave(steps), torch.arange(steps).repeat(len(pictures)))


def replay_mean(
    policy: Policy, batch: Batch, rows: Row, config: TrainConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, spread [R] and velocity of stored steps under the policy as it is now."""
    kept = batch.trajectories
    latents = kept.latents[rows.picture, rows.step]
    sigma, after = kept.sigmas[rows.step], kept.sigmas_next[rows.step]
    velocity = policy.velocity(latents, sigma, batch.asked[rows.picture])
    step = DYNAMICS[config.rollout.dynamics](
        latents, velocity, sigma=sigma, sigma_next=after, eta=config.rollout.eta
    )
    return step.mean, step.std.flatten(), velocity


@torch.no_grad()
def old_means(policy: Policy, batch: Batch, part: slice | Tensor, config: TrainConfig) -> OldMeans:
    """Means before the first update, with the replay's own slices: then the ratio starts at 1."""
    return {
        start: replay_mean(policy, batch, rows, config)[0]
        for start, rows in slices(replay_rows(batch, part), config.optim.micro_batch)
    }


def reverse_update(
    policy: Policy,
    batch: Batch,
    part: slice | Tensor,
    config: TrainConfig,
    *,
    old: OldMeans | None = None,
) -> dict[str, float]:
    """Add the gradient of the ratio loss for the pictures of `part`.

    Args:
        old: from `old_means`; None: the policy has not changed since the rollout, so its own
            means serve.
    """
    rows, log = replay_rows(batch, part), Log()
    kept, loss_config = batch.trajectories, config.loss
    dims = kept.latents[0, 0].numel()
    for start, piece in policy.engine.passes(slices(rows, config.optim.micro_batch)):
        mean, std, velocity = replay_mean(policy, batch, piece, config)
        before = mean.detach() if old is None else old[start]
        dt = (kept.sigmas_next - kept.sigmas)[piece.step]
        spread = per_picture(std, mean)
        taken = kept.next_latents[piece.picture, piece.step]
        move = PolicyMove((taken - before) / spread, (mean - before) / spread, std, dt)
        loss, metrics = RATIO_LOSSES[loss_config.kind](
            move,
            batch.advantages[piece.picture],
            limit=loss_config.limit(dims),
        )
        metrics |= _drift(before, kept.means[piece.picture, piece.step])
        if loss_config.kl_coef:
            with torch.no_grad(), policy.reference():
                reference_mean, _, reference = replay_mean(policy, batch, piece, config)
            if loss_config.kl_form == "mean":
                kl = mean_kl(mean, reference_mean, std=std, dt=dt)
            else:
                kl = velocity_kl(velocity, reference)
            loss = loss + loss_config.kl_coef * kl
            metrics |= kl_metrics(kl, velocity, reference)
        policy.engine.backward((loss * batch.weights[piece.picture]).sum() / len(rows.picture))
        log.add({"loss": loss.detach().mean(), **metrics}, len(piece.picture))
    return log.result()


def _drift(replayed: Tensor, stored: Tensor) -> Metrics:
    """How far the replay is from the rollout; batch shapes alone make it differ a little."""
    return {"replay_drift_max": (replayed - stored).abs().max()}


def slices(rows: Row, size: int) -> list[tuple[int, Row]]:
    """Rows in micro-batches, each with the number of its first."""
    return [
        (start, Row(rows.picture[start : start + size], rows.step[start : start + size]))
        for start in range(0, len(rows.picture), size)
    ]
