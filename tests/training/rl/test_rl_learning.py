"""The whole loop learns what it is for: to paint differently for different target emotions."""

from pathlib import Path

import pytest
import torch

from training.data.prompts import drawn_prompts
from training.families.smoke import SmokeFamily
from training.rewards.models import build_rewards
from training.rl.policy import Policy
from training.rl.trainer import Trainer
from training.runs.tracking import read_log
from training.settings.files import load_config, preset_path

SETTINGS = (
    "reward.emotion=1", "reward.brightness=0", "reward.scorer=rules",
    "data.targets=[[2, 0], [-2, 0]]", "data.prompts_per_step=4", "optim.adapter_rate=0.03",
    "rollout.micro_batch=32", "optim.micro_batch=64", "steps=32", "tensorboard=false",
    "sheet_every=0", "checkpoint_every=32",
)  # fmt: skip
WITHOUT_HEARING = 1 - 2 / 12
"""The best mean reward at valence +-2 for pictures that do not depend on the target."""


def test_the_policy_learns_to_hear_the_target(tmp_path: Path) -> None:
    config = load_config(preset_path("smoke"), SETTINGS)
    policy = Policy(SmokeFamily(), config.model)
    Trainer(config, policy, build_rewards(config.reward), drawn_prompts(), folder=tmp_path).fit()
    rewards = [line["reward/emotion"] for line in read_log(tmp_path / "log.jsonl")]
    assert sum(rewards[:3]) / 3 == pytest.approx(WITHOUT_HEARING, abs=0.03)
    assert sum(rewards[-8:]) / 8 > WITHOUT_HEARING + 0.02


@pytest.mark.parametrize(
    "variant",
    [
        ("loss.kind=awm", "loss.clip_range=1"),
        ("loss.kind=dppo", "loss.dppo_threshold=0.01", "rollout.dynamics=dance",
         "rollout.eta=0.5", "rollout.same_noise=true"),
    ],
    ids=["awm", "dppo-dance"],
)  # fmt: skip
def test_the_other_losses_learn_to_hear_it_too(tmp_path: Path, variant: tuple[str, ...]) -> None:
    config = load_config(preset_path("smoke"), (*SETTINGS, *variant, "steps=16"))
    policy = Policy(SmokeFamily(), config.model)
    Trainer(config, policy, build_rewards(config.reward), drawn_prompts(), folder=tmp_path).fit()
    rewards = [line["reward/emotion"] for line in read_log(tmp_path / "log.jsonl")]
    assert max(rewards[:3]) < 0.8 and sum(rewards[-4:]) / 4 > WITHOUT_HEARING + 0.01


@pytest.mark.parametrize("kind", ["nft", "awm"])
def test_nft_learns_from_what_its_old_policy_painted_and_awm_from_its_own(kind: str) -> None:
    config = load_config(preset_path("smoke"), (*SETTINGS, f"loss.kind={kind}"))
    painted = []
    for place in ("old", "values"):
        policy = Policy(SmokeFamily(), config.model)
        trainer = Trainer(config, policy, build_rewards(config.reward), drawn_prompts())
        others = {name: value + 0.05 for name, value in trainer.old.items()}
        trainer.old = others
        if place == "values":
            policy.load(others)
        submit = trainer.rewards.submit
        trainer.rewards.submit = lambda images, tasks, go=submit: (
            painted.append(images), go(images, tasks),
        )[1]  # fmt: skip
        trainer.train_step()
    assert torch.equal(*painted) == (kind == "nft")


@pytest.mark.parametrize("kind", ["nft", "awm"])
def test_a_forward_loss_keeps_to_the_noise_levels_that_are_asked_for(kind: str) -> None:
    asked = (*SETTINGS, f"loss.kind={kind}", "loss.clip_range=1", "loss.nft_least_sigma=0.6")
    config = load_config(preset_path("smoke"), asked)
    policy = Policy(SmokeFamily(), config.model)
    trainer = Trainer(config, policy, build_rewards(config.reward), drawn_prompts())
    levels: list[float] = []
    velocity = policy.velocity

    def heard(latents: torch.Tensor, sigma: torch.Tensor, *rest: object) -> torch.Tensor:
        levels.extend(sigma.flatten().tolist() if torch.is_grad_enabled() else [])
        return velocity(latents, sigma, *rest)

    policy.velocity = heard
    trainer.train_step()
    assert 0.6 <= min(levels) < 0.7 and 0.9 < max(levels) <= 1
