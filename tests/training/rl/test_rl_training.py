"""Promises of the RL loop, on a random model that takes milliseconds: exactness, resume, faults."""

import dataclasses
import itertools
import math
from pathlib import Path

import pytest
import torch

from emofeedback.errors import CheckpointError, EmoFeedbackError, ScorerError
from training.data.prompts import drawn_prompts
from training.families.smoke import SmokeFamily
from training.rewards.models import brightness, build_rewards
from training.rewards.stack import ReadingCache, RewardStack
from training.rl.forward import forward_update, old_likelihoods
from training.rl.policy import Policy
from training.rl.rollout import RolloutPlan, roll_out
from training.rl.trainer import Trainer
from training.rl.updates import old_means, replay_rows, reverse_update
from training.runs import run_state
from training.runs.tracking import Phases, read_log
from training.settings.config import TrainConfig
from training.settings.files import load_config, preset_path

SMOKE = preset_path("smoke")


def smoke(*overrides: str) -> TrainConfig:
    return load_config(SMOKE, ["tensorboard=false", "sheet_every=0", *overrides])


def new_trainer(config: TrainConfig, folder: Path | None = None, rewards=None) -> Trainer:
    policy = Policy(SmokeFamily(), config.model)
    stack = rewards or build_rewards(config.reward, gradient=config.loss.pathwise)
    return Trainer(config, policy, stack, drawn_prompts(), folder=folder)


def moved_policy(trainer: Trainer, size: float = 0.05) -> None:
    """Give the trained values a visible change."""
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for value in trainer.policy.parameters().values():
            value.add_(size * torch.randn(value.shape, generator=draw))


def a_batch(trainer: Trainer):
    tasks, pictures = trainer.share_of_step()
    batch, futures, _ = trainer._roll_out(tasks, pictures, Phases())
    rewards = trainer.rewards.collect(futures)
    advantages = trainer._advantages(rewards.total).values
    return dataclasses.replace(batch, advantages=advantages)


def gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    found = {
        name: value.grad.clone()
        for name, value in trainer.policy.parameters().items()
        if value.grad is not None
    }
    trainer.optimizer.zero_grad(set_to_none=True)
    return found


def values(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.policy.snapshot()


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("micro_batch", [32, 7, 3])
def test_the_first_replay_has_a_log_ratio_of_exactly_zero_for_any_split(micro_batch: int) -> None:
    config = smoke(f"optim.micro_batch={micro_batch}", "rollout.guidance_scale=2.5")
    trainer = new_trainer(config)
    moved_policy(trainer)
    batch, whole = a_batch(trainer), slice(0, 16)
    old = old_means(trainer.policy, batch, whole, config)
    log = reverse_update(trainer.policy, batch, whole, config, old=old)
    assert log["log_ratio_abs"] == 0 and log["ratio_min"] == log["ratio_max"] == 1
    assert log["replay_drift_max"] < 1e-5  # the rollout had other batch shapes
    moved_policy(trainer)
    after = reverse_update(trainer.policy, batch, whole, config, old=old)
    assert after["log_ratio_abs"] > 0


@pytest.mark.parametrize("kind", ["clip", "guard", "dppo", "nft", "awm"])
def test_any_micro_batch_split_gives_the_same_gradient(kind: str) -> None:
    found = []
    for size in (32, 5):
        config = smoke(f"loss.kind={kind}", "loss.kl_coef=0.1", f"optim.micro_batch={size}")
        trainer = new_trainer(config)
        old = trainer.policy.snapshot()
        batch = a_batch(trainer)
        moved_policy(trainer, 1e-3)
        if config.loss.forward:
            with trainer.policy.using(old):
                was = old_likelihoods(trainer.policy, batch, slice(0, 16), config)
            forward_update(trainer.policy, batch, slice(0, 16), config, old=old, likelihoods=was)
        else:
            with trainer.policy.using(old):
                means = old_means(trainer.policy, batch, slice(0, 16), config)
            reverse_update(trainer.policy, batch, slice(0, 16), config, old=means)
        found.append(gradients(trainer))
    for name, one in found[0].items():
        torch.testing.assert_close(
            one, found[1][name], rtol=2e-3, atol=1e-6 * float(one.abs().max() + 1)
        )


def test_gradient_checkpointing_changes_no_gradient() -> None:
    found = []
    for choice in ("true", "false"):
        config = smoke(f"model.gradient_checkpointing={choice}", "loss.kl_coef=0.1")
        trainer = new_trainer(config)
        moved_policy(trainer)
        reverse_update(trainer.policy, a_batch(trainer), slice(0, 16), config)
        found.append(gradients(trainer))
    for name, one in found[0].items():
        torch.testing.assert_close(one, found[1][name], rtol=1e-5, atol=1e-8)


def test_the_kl_alone_has_a_gradient_and_pulls_back_to_the_reference() -> None:
    config = smoke("loss.kl_coef=1.0")
    trainer = new_trainer(config)
    batch = a_batch(trainer)
    moved_policy(trainer)
    batch = dataclasses.replace(batch, advantages=torch.zeros(16))
    log = reverse_update(trainer.policy, batch, slice(0, 16), config)
    assert log["kl"] > 0
    grads = gradients(trainer)
    assert float(grads["adapter.token_out.weight"].abs().max()) > 0
    assert sum(float(g.abs().max()) > 0 for n, g in grads.items() if "lora_B" in n) >= 8


def test_the_reference_is_the_model_before_training_bit_for_bit() -> None:
    config = smoke()
    before = SmokeFamily()
    latents, sigma = torch.randn(2, 16, 8, 8), torch.tensor([0.9, 0.3])
    words = before.encode(["a boat on the sea", "a dog"])
    emotion = torch.tensor([[1.0, -1.0], [2.0, 0.0]])
    with torch.no_grad():
        wanted = before.velocity(latents, sigma, before.adapter(*words, emotion))
    trainer = new_trainer(config)
    moved_policy(trainer)
    from training.rl.policy import Asked

    asked = Asked(words, emotion)
    with torch.no_grad():
        with trainer.policy.reference():
            assert torch.equal(trainer.policy.velocity(latents, sigma, asked), wanted)
        assert not torch.allclose(trainer.policy.velocity(latents, sigma, asked), wanted)
    assert all(p.requires_grad for p in trainer.policy.parameters().values())


def test_pictures_do_not_depend_on_the_rollouts_micro_batch_and_the_state_is_float32() -> None:
    ends = []
    for size in (16, 3):
        config = smoke(f"rollout.micro_batch={size}")
        policy = Policy(SmokeFamily(), config.model)
        from training.data.prompts import Task

        tasks = [Task("a boat", (1.0, 1.0))] * 6
        plan = RolloutPlan(config.rollout, range(1, 3), 0, 0, tuple(range(6)))
        done = roll_out(policy, policy.encode(tasks, 1.0), plan)
        assert done.latents.dtype == done.next_latents.dtype == torch.float32
        ends.append(done.clean)
    torch.testing.assert_close(ends[0], ends[1], atol=1e-5, rtol=0)


def test_same_noise_starts_a_group_from_one_picture_and_no_other_group() -> None:
    plan = RolloutPlan(smoke("rollout.same_noise=true").rollout, range(2), 0, 0, tuple(range(16)))
    start = plan.noise((4,), slice(0, 16), 0)
    assert torch.equal(start[0], start[7]) and not torch.equal(start[0], start[8])
    assert not torch.equal(*plan.noise((4,), slice(0, 2), 1))


def test_the_smoke_reward_rises(tmp_path: Path) -> None:
    trainer = new_trainer(smoke("steps=25"), tmp_path)
    trainer.fit()
    rewards = [line["reward/mean"] for line in read_log(tmp_path / "log.jsonl")]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.02


@pytest.mark.parametrize("kind", ["clip", "nft", "pathwise"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path, kind: str) -> None:
    updates = 1 if kind == "pathwise" else 2
    settings = (f"loss.kind={kind}", "loss.kl_coef=0.01", "checkpoint_every=2",
                f"optim.updates={updates}", "optim.ema_decay=0.9")  # fmt: skip
    whole = new_trainer(smoke("steps=4", *settings), tmp_path / "whole")
    whole.fit()
    first = new_trainer(smoke("steps=2", *settings), tmp_path / "parts")
    first.fit()
    second = new_trainer(smoke("steps=4", *settings), tmp_path / "parts")
    second.resume()
    second.fit()
    assert second.step == 4
    assert same(values(whole), values(second))
    assert same(whole.average, second.average) and same(whole.old, second.old)
    one, other = whole.optimizer.state_dict(), second.optimizer.state_dict()
    assert all(same(one["state"][i], other["state"][i]) for i in one["state"])
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("whole", "parts")]
    assert [line["reward/mean"] for line in logs[0]] == [line["reward/mean"] for line in logs[1]]


def test_only_the_last_checkpoints_stay_and_a_damaged_one_gives_way(tmp_path: Path) -> None:
    config = smoke("steps=4", "checkpoint_every=1", "keep_checkpoints=2")
    new_trainer(config, tmp_path).fit()
    kept = run_state.whole_checkpoints(tmp_path / "checkpoints")
    assert [path.name for path in kept] == ["step-000003", "step-000004"]
    tensors = kept[1] / run_state.TENSORS
    content = bytearray(tensors.read_bytes())
    content[len(content) // 2] ^= 1
    tensors.write_bytes(content)
    assert run_state.load_latest(tmp_path / "checkpoints").step == 3
    (kept[0] / run_state.FACTS).write_text("{")
    with pytest.raises(CheckpointError, match="step-000004, step-000003 are damaged"):
        run_state.load_latest(tmp_path / "checkpoints")


def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path: Path, monkeypatch) -> None:
    trainer = new_trainer(smoke("steps=1", "checkpoint_every=1"), tmp_path)
    trainer.fit()
    import safetensors.torch

    def half_written(tensors, path, metadata=None) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", half_written)
    trainer.step = 2
    with pytest.raises(CheckpointError, match="No space left.*Earlier checkpoints are whole"):
        trainer.save()
    assert run_state.load_latest(tmp_path / "checkpoints").step == 1
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_a_reward_that_keeps_failing_stops_the_run_with_its_reason() -> None:
    config = smoke()

    def broken(images, prompts):
        raise OSError("connection refused")

    stack = RewardStack(config.reward, None, {"brightness": broken})
    with pytest.raises(ScorerError, match="'brightness' failed 3 times: connection refused"):
        new_trainer(config, rewards=stack).train_step()


def test_a_reward_that_fails_once_is_tried_again() -> None:
    config, calls = smoke(), itertools.count()

    def flaky(images, prompts):
        if next(calls) == 0:
            raise OSError("timeout")
        return brightness(images, prompts)

    numbers = new_trainer(
        config, rewards=RewardStack(config.reward, None, {"brightness": flaky}, overlap=True)
    ).train_step()
    assert math.isfinite(numbers["reward/mean"])


def test_nan_for_every_picture_stops_the_run_and_for_one_is_counted() -> None:
    config = smoke()
    for count in (1, 16):

        def holes(images, prompts, count=count):
            return torch.where(
                torch.arange(len(images)) < count, torch.nan, brightness(images, prompts)
            )

        trainer = new_trainer(
            config, rewards=RewardStack(config.reward, None, {"brightness": holes})
        )
        if count == 1:
            assert trainer.train_step()["reward/nan_ratio"] == 1 / 16
        else:
            with pytest.raises(EmoFeedbackError, match="no reward .NaN."):
                trainer.train_step()


def test_a_constant_reward_changes_nothing_and_is_warned_of(caplog) -> None:
    config = smoke()
    stack = RewardStack(
        config.reward, None, {"brightness": lambda i, p: torch.full((len(i),), 0.5)}
    )
    trainer = new_trainer(config, rewards=stack)
    before = values(trainer)
    numbers = trainer.train_step()
    assert numbers["reward/zero_std_ratio"] == 1 and same(before, values(trainer))
    assert "teach nothing" in caplog.text


def test_a_gradient_that_is_not_finite_is_skipped() -> None:
    trainer = new_trainer(smoke())
    before = values(trainer)
    for parameter in trainer.policy.parameters().values():
        parameter.grad = torch.full_like(parameter, math.inf)
    assert trainer._optimise()["update_skipped"] == 1
    assert same(before, values(trainer))


def test_the_same_picture_is_read_once() -> None:
    asked = []

    def reader(images):
        asked.append(len(images))
        return images.flatten(1).mean(1, keepdim=True).expand(-1, 2)

    cache, images = ReadingCache(reader), torch.rand(3, 8, 8, 3)
    first = cache(images)
    assert torch.equal(cache(images.flip(0)), first.flip(0))
    assert asked == [3] and cache.hits == 3


def test_a_rising_reward_with_a_falling_judge_is_called_hacking(monkeypatch, caplog) -> None:
    config = smoke("watch.every=1", "watch.stop=true", "steps=3")
    trainer = new_trainer(config)
    told = iter(
        [{"watch/reward": 0.1, "watch/error": 2.0}, {"watch/reward": 0.5, "watch/error": 2.3}]
    )
    monkeypatch.setattr(trainer, "watch", lambda: next(told))
    with pytest.raises(EmoFeedbackError, match="REWARD HACKING.*\\+0.400.*\\+0.300 worse"):
        trainer.fit()


def test_the_replay_walks_over_every_picture_and_step_once() -> None:
    trainer = new_trainer(smoke())
    rows = replay_rows(a_batch(trainer), slice(8, 16))
    pairs = list(zip(rows.picture.tolist(), rows.step.tolist()))
    assert pairs == [(p, s) for p in range(8, 16) for s in range(2)]


def test_every_logged_metric_stands_in_the_guide(tmp_path: Path, project_root: Path) -> None:
    guide = (project_root / "docs" / "training.md").read_text(encoding="utf-8")
    names: set[str] = set()
    for kind in ("clip", "nft", "pathwise"):
        trainer = new_trainer(
            smoke("steps=1", f"loss.kind={kind}", "loss.kl_coef=0.1"), tmp_path / kind
        )
        trainer.fit()
        names |= {key for line in read_log(tmp_path / kind / "log.jsonl") for key in line}
    assert names - {name for name in names if f"`{name}`" in guide} == set()
