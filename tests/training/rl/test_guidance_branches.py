"""Guidance whose plain branch is detached: the same picture, the gradient of the prompt's alone."""

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from training.data.prompts import Task
from training.families.smoke import SmokeFamily
from training.rl.policy import Policy
from training.settings.config import ModelConfig

GUIDANCE = 4.5
TASKS = [Task("a boat", (1.0, 0.5)), Task("a dog", (-1.0, 0.0))]


@pytest.fixture
def policy() -> Policy:
    made = Policy(SmokeFamily(), ModelConfig(lora_rank=2))
    with torch.no_grad():
        for value in made.parameters().values():
            value.add_(0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(3)))
    return made


def passed(policy: Policy, guidance: float, *, detached: bool) -> tuple[Tensor, Tensor, float]:
    """Velocity, gradient of all that is trained, and FLOPs of both."""
    draw = torch.Generator().manual_seed(5)
    latents, weights = torch.randn(2, 2, *policy.family.latent_shape, generator=draw)
    asked = policy.encode(TASKS, guidance, detached=detached)[torch.arange(2)]
    parameters = list(policy.parameters().values())
    with FlopCounterMode(display=False) as counted:
        velocity = policy.velocity(latents, torch.full((2,), 0.6), asked)
        found = torch.autograd.grad((velocity * weights).sum(), parameters)
    return velocity.detach(), torch.cat([each.flatten() for each in found]), float(
        counted.get_total_flops()
    )  # fmt: skip


def test_a_detached_branch_changes_the_gradient_alone(policy: Policy) -> None:
    both, both_learn, both_flops = passed(policy, GUIDANCE, detached=False)
    made, learnt, flops = passed(policy, GUIDANCE, detached=True)
    _, alone, alone_flops = passed(policy, 1.0, detached=False)
    torch.testing.assert_close(made, both, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(learnt, GUIDANCE * alone, atol=1e-4, rtol=1e-4)
    assert (learnt - both_learn).norm() > 0.1 * both_learn.norm()
    assert both_flops == pytest.approx(2 * alone_flops, rel=0.02)
    assert flops < 0.8 * both_flops
