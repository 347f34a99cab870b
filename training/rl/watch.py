"""The hacking watch: reward against the judge, which is never a reward, on held-out prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..data.prompts import Task, draw_tasks
from ..rewards.head import head_reader
from ..rewards.stack import RewardStack
from ..settings.config import TrainConfig
from .measure import judged, paint
from .policy import Policy

SEED = 97
"""Of tasks and noise: the same pictures are asked for at every measurement."""


def measure_policy(
    policy: Policy,
    rewards: RewardStack,
    config: TrainConfig,
    prompts: Sequence[str],
    targets: Sequence[tuple[float, float]] | None,
) -> dict[str, float]:
    """Reward and its parts of a policy as it stands; judged error and content by watch.head, or
    by the drawn world's judge where that knows the pictures."""
    asked = draw_tasks(prompts, targets, count=config.watch.pictures, seed=SEED, step=0)
    tasks = [Task(prompts[i % len(prompts)], task.target) for i, task in enumerate(asked)]
    images = paint(
        policy, tasks,
        steps=config.watch.table_steps, guidance=config.rollout.guidance_scale,
        seed=SEED, micro_batch=config.rollout.micro_batch,
    )  # fmt: skip
    found = rewards.collect([rewards.submit(images, tasks)])
    numbers = {"watch/reward": float(found.total.nanmean())}
    numbers |= {f"watch/{name}": float(part.nanmean()) for name, part in found.parts.items()}
    head = config.watch.head
    reader = head_reader(head, config.watch.head_encoder) if head else None
    if policy.family.name == "drawn" or reader is not None:
        seen = judged(images, tasks, reader)
        numbers["watch/error"] = float(seen.gap_sum.mean())
        if reader is None:
            numbers["watch/judged_content"] = float(seen.content.nanmean())
    return numbers


def hacking_message(
    first: Mapping[str, float], now: Mapping[str, float], *, tolerance: float
) -> str:
    """What to say if the reward rose while the judged error did too; else empty."""
    gained = now["watch/reward"] - first["watch/reward"]
    worse = now.get("watch/error", 0.0) - first.get("watch/error", 0.0)
    if gained <= 0 or worse <= tolerance:
        return ""
    return (
        f"REWARD HACKING: since the start the reward rose by {gained:+.3f}, but the judge, which "
        f"is no reward, sees V-Error + A-Error {worse:+.3f} worse. Raise loss.kl_coef, lower "
        "optim.learning_rate, or stop."
    )
