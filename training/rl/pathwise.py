"""The third way from rewards to gradients: back through the reward, the decoder and the sampler.

A group of pictures says which noise was lucky. A reward that is itself a network also says how each
picture should have been different, and the deterministic sampler hands that on to the weights. It
needs a reward and a decoder with gradients, which the embedded models have, and it finds a reward's
weak spots sooner: the watch by the judge, which is never a reward, is what to trust.

Source: DRaFT (arXiv 2309.17400) and AlignProp (arXiv 2310.03739).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from emofeedback.errors import ConfigError

from ..data.prompts import Task
from ..formulas.dynamics import ode_step
from ..formulas.kl import velocity_kl
from ..rewards.stack import Rewards, RewardStack
from ..settings.config import LossConfig, TrainConfig
from .policy import Asked, Policy
from .rollout import RolloutPlan
from .updates import Log

SHIFT_USE, NOISE_USE = 3000, 3001


@dataclass(frozen=True)
class Path:
    """Pictures whose gradient reaches the policy."""

    clean: Tensor
    """[B, ...] endpoints of the deterministic sampler."""
    kl: Tensor
    """[B] mean over the steps with a gradient; 0 without a KL coefficient."""


def pathwise_update(
    policy: Policy,
    tasks: list[Task],
    plan: RolloutPlan,
    rewards: RewardStack,
    config: TrainConfig,
    weights: Tensor,
) -> tuple[dict[str, float], Rewards, Tensor]:
    """Paint the pictures of a step and add the gradient of their mean reward, less the KL.

    Args:
        tasks: one a picture.
        weights: [B] of each picture, as in `updates.Batch`.
        rewards: built with gradients.
    Returns: the log, the rewards and the pictures, both without gradients.
    Raises: ConfigError: the reward does not depend on the policy in a way that has a gradient.
    """
    log, found, images = Log(), [], []
    size = config.optim.micro_batch
    for start in policy.engine.passes(range(0, len(tasks), size)):
        rows = slice(start, min(start + size, len(tasks)))
        asked = policy.encode(
            tasks[rows], config.rollout.guidance_scale, detached=config.rollout.guidance_detached
        )
        path = follow_path(policy, asked, plan, rows, config)
        pictures = policy.family.decode(path.clean, quick=True)
        shown = disturbed(pictures, plan, rows, config.loss)
        reward = rewards.collect([rewards.submit(shown, tasks[rows])])
        deaf = [name for name, part in reward.parts.items() if not part.requires_grad]
        if deaf:
            raise ConfigError(
                f"The reward {deaf[0]!r} has no gradient back to the pictures, which "
                "loss.kind=pathwise needs: use the embedded generator with embedded rewards, "
                "functions that stay in torch, or another loss.kind."
            )
        loss = config.loss.kl_coef * path.kl - reward.total.to(path.kl.device)
        counted = loss * weights[rows].to(loss.device)
        policy.engine.backward(counted.nansum() / len(tasks))
        kl = {"kl": path.kl.detach().mean()} if config.loss.kl_coef else {}
        log.add({"loss": loss.detach().nanmean(), **kl}, len(loss))
        found.append(reward)
        images.append(pictures.detach())
    return log.result(), _without_gradient(found), torch.cat(images)


def follow_path(
    policy: Policy, asked: Asked, plan: RolloutPlan, rows: slice, config: TrainConfig
) -> Path:
    """The deterministic sampler, with gradients in its last `loss.path_steps` steps."""
    family, count = policy.family, plan.config.num_inference_steps
    sigmas = family.sigmas(count).to(asked.emotion.device)
    latents = plan.noise(family.latent_shape, rows, 0).to(asked.emotion.device)
    kl = torch.zeros(len(latents), device=latents.device)
    learnt = config.loss.path_steps or count
    for index in range(count):
        sigma = sigmas[index].expand(len(latents))
        with torch.set_grad_enabled(index >= count - learnt):
            velocity = policy.velocity(latents, sigma, asked)
            if config.loss.kl_coef and index >= count - learnt:
                with torch.no_grad(), policy.reference():
                    reference = policy.velocity(latents, sigma, asked)
                kl = kl + velocity_kl(velocity, reference) / min(learnt, count)
            latents = ode_step(latents, velocity, sigmas[index], sigmas[index + 1])
    return Path(latents, kl)


def disturbed(pictures: Tensor, plan: RolloutPlan, rows: slice, config: LossConfig) -> Tensor:
    """Pictures [B, H, W, 3] in 0..1, each shifted and with noise of its own."""
    if config.path_shift:
        reach = config.path_shift
        draws = plan.noise((2,), rows, SHIFT_USE)
        shifts = (torch.special.ndtr(draws) * (2 * reach + 1)).long().clamp(0, 2 * reach)
        padded = nn.functional.pad(pictures.movedim(-1, 1), (reach,) * 4, mode="replicate")
        height, width = pictures.shape[1:3]
        moved = [
            picture[:, down : down + height, right : right + width]
            for picture, (down, right) in zip(padded, shifts.tolist(), strict=True)
        ]
        pictures = torch.stack(moved).movedim(1, -1)
    if config.path_noise:
        noise = plan.noise(pictures.shape[1:], rows, NOISE_USE).to(pictures.device)
        pictures = (pictures + config.path_noise * noise).clamp(0, 1)
    return pictures


def _without_gradient(parts: list[Rewards]) -> Rewards:
    """The micro-batches of a step as one."""
    names = parts[0].parts
    return Rewards(
        torch.cat([each.total.detach() for each in parts]),
        {name: torch.cat([each.parts[name].detach() for each in parts]) for name in names},
    )
