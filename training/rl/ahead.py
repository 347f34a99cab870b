"""The prompts of a run are encoded before its first step, and what encoded them leaves memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from ..data.prompts import Task, TaskSet, draw_tasks
from ..settings.config import TrainConfig
from .policy import Policy
from .processes import Processes

log = logging.getLogger(__name__)


def prompts_of_run(config: TrainConfig, prompts: TaskSet, *, first: int = 0) -> list[str]:
    """What the model will hear in training and measuring, each once, in the order it is asked for;
    not with data.words=phrase, which says something else for every target.

    Args:
        first: step that the run goes on with.
    """
    rows, count = prompts.rows or prompts.training, config.data.prompts_per_step
    last = min(config.steps, first + -(-2 * len(rows) // count))  # two rounds hold all there is
    told = [""]
    for step in range(first, last):
        drawn = draw_tasks(rows, ((0.0, 0.0),), count=count, seed=config.seed, step=step)
        told += [task.told for task in drawn]
    if config.watch.every:
        measured = prompts.measured[: config.watch.pictures]
        told += [Task(row.text, (0.0, 0.0), row.words).told for row in measured]
    return list(dict.fromkeys(told))


def encode_ahead(
    policy: Policy, prompts: Iterable[str], processes: Processes | None = None
) -> None:
    """Encode what is missing, shared by all processes, and let the text encoders go.

    Where there are more prompts than memory and files keep, the rest is encoded when it is asked
    for, and the encoders stay. Does nothing for families whose words are quick.
    """
    if not policy.in_files:
        return
    processes = processes or Processes()
    wanted = list(dict.fromkeys(prompts))
    _encode(policy, wanted[processes.rank :: processes.count], shown=processes.first)
    if not processes.any(policy.lost):  # by now the files of the others are there, too
        _encode(policy, wanted, shown=False)
    if policy.lost:
        log.info("The run has more prompts than are kept, so its text encoders stay in memory.")
    else:
        policy.family.let_encoders_go()


def _encode(policy: Policy, prompts: Sequence[str], *, shown: bool) -> None:
    from tqdm import tqdm

    missing = [prompt for prompt in prompts if not policy.keeps(prompt)]
    for prompt in tqdm(missing, desc="encoding prompts", delay=2, disable=not shown):
        policy.words([prompt])
        if policy.lost:
            return
