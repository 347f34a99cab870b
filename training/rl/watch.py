"""The hacking watch: reward against the judge, which is never a reward, on held-out prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..data.prompt_files import Prompt
from ..data.prompts import Task, draw_tasks, drawn_content
from ..rewards.head import head_reader
from ..rewards.stack import RewardStack
from ..settings.config import TrainConfig
from .measure import judged, paint
from .policy import Policy
from .processes import Processes

SEED = 97
"""Of tasks and noise: the same pictures are asked for at every measurement."""


def measure_policy(
    policy: Policy,
    rewards: RewardStack,
    config: TrainConfig,
    prompts: Sequence[Prompt],
    targets: Sequence[tuple[float, float]] | None,
    *,
    processes: Processes,
) -> dict[str, float]:
    """Reward and its parts of a policy as it stands; judged error and content by watch.head, or
    by the drawn world's judge where that knows the pictures.

    Args:
        prompts: each is asked for at its own target, else at one of `targets`.
        processes: share the pictures; every one gets the numbers of all.
    """
    count = config.watch.pictures
    texts = [row.text for row in prompts]
    drawn = draw_tasks(texts, targets, count=count, seed=SEED, step=0)
    mine = processes.padded_share(count)
    asked = [(prompts[i % len(prompts)], drawn[i].target) for i in mine]
    tasks = [Task(row.text, row.target or target, row.words) for row, target in asked]
    images = paint(
        policy, tasks,
        steps=config.watch.table_steps, guidance=config.rollout.guidance_scale,
        seed=SEED, micro_batch=config.rollout.micro_batch, numbers=mine,
    )  # fmt: skip

    def of_all(values: Tensor) -> Tensor:
        return processes.gathered(values)[:count]

    found = rewards.collect([rewards.submit(images, tasks)], plain=True)
    seen = {"reward": found.total, **found.parts}
    head = config.watch.head
    reader = head_reader(head, config.watch.head_encoder) if head else None
    if policy.family.name == "drawn" or reader is not None:
        by_judge = judged(images, tasks, reader)
        seen["error"] = by_judge.gap_sum
        if reader is None and not drawn_content().keys().isdisjoint(texts):
            seen["judged_content"] = by_judge.content
    return {f"watch/{name}": float(of_all(values).nanmean()) for name, values in seen.items()}


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
