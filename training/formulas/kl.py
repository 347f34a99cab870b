"""How far the policy is from its reference: the KL divergence that holds it back.

It is added to a loss with the weight `loss.kl_coef`, in one of two forms (`loss.kl_form`).
"""

from __future__ import annotations

from torch import Tensor

from .dynamics import row_mean
from .losses import Metrics


def velocity_kl(velocity: Tensor, reference: Tensor) -> Tensor:
    """Mean squared distance of two velocities: [B]; of the KL divergence the part that matters."""
    return row_mean((velocity - reference).square())


def mean_kl(mean: Tensor, reference_mean: Tensor, *, std: Tensor, dt: Tensor) -> Tensor:
    """The public Flow-GRPO code's KL of a stochastic step: [B].

    It leaves out the paper's factor dt, so its coefficient compares with that code only.
    """
    noise_rate = std / (-dt).sqrt()
    return row_mean((mean - reference_mean).square()) / (2 * noise_rate.square())


def kl_metrics(kl: Tensor, velocity: Tensor, reference: Tensor) -> Metrics:
    """For the log: the mean KL [B], and the norm of the velocity over the reference's."""
    ratio = velocity.detach().norm() / reference.norm()
    return {"kl": kl.detach().mean(), "velocity_norm_ratio": ratio}
