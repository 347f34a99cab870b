"""Gradients through reward, decoder and sampler: right, whole, and refused where there are none."""

import itertools
import logging

import pytest
import torch

from emofeedback.embedded import autoencoder
from emofeedback.errors import ConfigError
from training.benchmarks.agreement import agreement, report_agreement
from training.data.prompts import drawn_prompts
from training.families.small_decode import SmallDecoder, drawn_latents
from training.families.smoke import SmokeFamily
from training.rewards.models import (
    brightness,
    build_rewards,
    read_embedded,
    read_with_gradient,
)
from training.rewards.stack import RewardStack
from training.rl.pathwise import disturbed, pathwise_update
from training.rl.policy import Policy
from training.rl.rollout import RolloutPlan
from training.rl.trainer import Trainer
from training.settings.files import load_config, preset_path

SMOKE = preset_path("smoke")


def smoke(*overrides: str):
    plain = ["tensorboard=false", "sheet_every=0", "loss.kind=pathwise", "rollout.group_size=1",
             "data.prompts_per_step=6"]  # fmt: skip
    return load_config(SMOKE, [*plain, *overrides])


def a_trainer(config, rewards=None) -> Trainer:
    stack = rewards or build_rewards(config.reward, gradient=True)
    trainer = Trainer(config, Policy(SmokeFamily(), config.model), stack, drawn_prompts())
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():  # at its start a LoRA's first half has no gradient
        for value in trainer.policy.parameters().values():
            value.add_(0.05 * torch.randn(value.shape, generator=draw))
    return trainer


def mean_reward(trainer: Trainer) -> float:
    """Of the pictures of the first step, and their gradient on the parameters."""
    tasks, pictures = trainer.share_of_step()
    config = trainer.config
    plan = RolloutPlan(config.rollout, range(0), config.seed, 0, pictures)
    even = torch.ones(len(tasks))
    _, rewards, _ = pathwise_update(trainer.policy, tasks, plan, trainer.rewards, config, even)
    return float(rewards.total.double().mean())


def gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in trainer.policy.parameters().items()}


def test_the_gradient_is_that_of_finite_differences() -> None:
    trainer = a_trainer(smoke("rollout.guidance_scale=2.0"))
    mean_reward(trainer)
    slope = gradients(trainer)
    size = sum(float(g.square().sum()) for g in slope.values()) ** 0.5
    rewards = []
    for sign in (1, -1):
        with torch.no_grad():
            for name, value in trainer.policy.parameters().items():
                value.sub_(sign * 0.05 * slope[name] / size)
        rewards.append(mean_reward(trainer))
        with torch.no_grad():
            for name, value in trainer.policy.parameters().items():
                value.add_(sign * 0.05 * slope[name] / size)
    assert (rewards[0] - rewards[1]) / 0.1 == pytest.approx(size, rel=0.02)


def test_any_micro_batch_split_gives_the_same_gradient_and_kl_is_part_of_it() -> None:
    found = []
    for size, kl in ((32, 0.1), (4, 0.1), (32, 0.0)):
        trainer = a_trainer(smoke(f"optim.micro_batch={size}", f"loss.kl_coef={kl}"))
        mean_reward(trainer)
        found.append(torch.cat([g.flatten() for g in gradients(trainer).values()]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-6)
    assert not torch.allclose(found[0], found[2], rtol=1e-2)


def test_a_gradient_through_the_last_steps_alone_is_another_and_all_steps_is_the_whole() -> None:
    found = {}
    for steps in (0, 1, 4):  # smoke samples in 4
        trainer = a_trainer(smoke(f"loss.path_steps={steps}"))
        mean_reward(trainer)
        found[steps] = torch.cat([g.flatten() for g in gradients(trainer).values()])
    assert torch.equal(found[0], found[4])
    cosine = torch.nn.functional.cosine_similarity(found[0], found[1], dim=0)
    assert 0.1 < cosine < 0.99


def test_the_reward_rises() -> None:
    trainer = a_trainer(smoke("optim.learning_rate=3e-3"))
    before = mean_reward(trainer)
    for _ in range(8):
        trainer.train_step()
    assert mean_reward(trainer) > before + 0.01


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("reward.emotion_form=threshold", "reward.emotion_form=threshold has not"),
        ("reward.emotion_form=distribution", "which scorer=rules does not tell"),
        ("reward.pick_score=1", "reward.pick_score has not"),
        ("optim.updates=2", "one gradient for each set of pictures"),
        ("loss.kl_form=mean", "which pathwise has not"),
        ("reward.normalise=group", "learns from each alone"),
    ],
)
def test_what_has_no_gradient_is_refused(override: str, said: str) -> None:
    settings = ["reward.emotion=1", "reward.scorer=rules", "reward.pick_path=somewhere"]
    with pytest.raises(ConfigError, match=said):
        build_rewards(smoke(*settings, override).reward, gradient=True)


def test_a_reward_that_loses_the_gradient_is_told_of_and_groups_need_peers_elsewhere() -> None:
    config = smoke()
    # beside one that has a gradient, it would count in the reward and teach nothing
    parts = {"brightness": brightness, "own": lambda i, p: i.detach().mean((1, 2, 3))}
    flat = RewardStack(config.reward, None, parts, weights={"own": 1.0})
    with pytest.raises(ConfigError, match="'own' has no gradient back to the pictures"):
        a_trainer(config, flat).train_step()
    with pytest.raises(ConfigError, match=r"rollout\.group_size is 1, but a group needs peers"):
        load_config(SMOKE, ["rollout.group_size=1"])


def test_the_small_decoder_paints_the_whole_ones_picture_at_half_the_size() -> None:
    latents = drawn_latents(128)[:2].flip(3) + 0.02
    whole = autoencoder.decode(latents).movedim(-1, 1)
    wanted = torch.nn.functional.avg_pool2d(whole, 2).movedim(1, -1)
    small = SmallDecoder(size=128)(latents)
    assert small.shape == (2, 64, 64, 3)
    assert -10 * (small - wanted).square().mean().log10() > 30


def test_readings_with_a_gradient_are_the_readings_and_pull_towards_the_target() -> None:
    images = autoencoder.decode(drawn_latents(128)[:2]).requires_grad_(True)
    read = read_with_gradient(images)
    torch.testing.assert_close(read.detach(), read_embedded(images.detach()), atol=1e-4, rtol=0)
    (slope,) = torch.autograd.grad(read[:, 0].sum(), images)
    moved = images.detach() + 0.5 * slope / slope.flatten(1).norm(dim=1)[:, None, None, None]
    assert bool((read_embedded(moved)[:, 0] > read[:, 0]).all())


def test_pathwise_steps_repeat_exactly() -> None:
    one, other = (a_trainer(smoke()) for _ in range(2))
    for trainer in (one, other):
        for _ in range(2):
            trainer.train_step()
    pairs = itertools.zip_longest(one.policy.snapshot().items(), other.policy.snapshot().items())
    assert all(a[0] == b[0] and torch.equal(a[1], b[1]) for a, b in pairs)


def test_disturbed_pictures_are_shifted_each_its_own_way_and_only_where_asked() -> None:
    pictures = torch.rand(4, 8, 8, 3, generator=torch.Generator().manual_seed(1))
    config = smoke("loss.path_shift=1")
    plan = RolloutPlan(config.rollout, range(0), 0, 0, tuple(range(4)))
    moved = disturbed(pictures, plan, slice(0, 4), config.loss)
    found = set()
    for picture, other in zip(pictures, moved, strict=True):
        ways = [
            (down, right)
            for down, right in itertools.product((-1, 0, 1), repeat=2)
            if torch.equal(other[1:-1, 1:-1], picture.roll((down, right), (0, 1))[1:-1, 1:-1])
        ]
        assert len(ways) == 1
        found.add(ways[0])
    assert len(found) > 1
    assert torch.equal(disturbed(pictures, plan, slice(0, 4), smoke().loss), pictures)
    noisy = disturbed(pictures, plan, slice(0, 4), smoke("loss.path_noise=0.05").loss)
    assert 0.02 < float((noisy - pictures).std()) < 0.06


def test_agreement_tells_a_common_direction_from_chance() -> None:
    draw = torch.Generator().manual_seed(2)
    common, chance = torch.zeros(4000), torch.randn(12, 4000, generator=draw)
    common[0] = 4000**0.5  # as long as the chance of one step
    assert agreement(chance + common)[0] == pytest.approx(0.5, abs=0.02)
    cosine, error = agreement(chance)
    assert abs(cosine) < 4 * error < 0.02


def test_agreement_is_told_of_each_part_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trainer = a_trainer(smoke())
    before, rates = trainer.policy.snapshot(), [g["lr"] for g in trainer.optimizer.param_groups]
    with caplog.at_level(logging.INFO, "training.benchmarks.agreement"):
        report_agreement(trainer, 3)
    lora, adapter = caplog.messages
    assert "LoRA: cosine" in lora and "adapter: cosine" in adapter
    after = trainer.policy.snapshot()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert [g["lr"] for g in trainer.optimizer.param_groups] == rates
