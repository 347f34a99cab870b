"""One step of stage `generator`: rollout, reward, advantage, update."""

from __future__ import annotations

import contextlib
import logging
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.prompts import Task, TaskSet, draw_tasks, read_targets
from ..formulas.advantages import Advantages, flat_warning, group_advantages, nan_warning
from ..formulas.dynamics import sde_window
from ..rewards.stack import RewardStack, reward_log
from ..runs.averages import follow, young_decay
from ..runs.budget import Budget
from ..runs.tracking import Phases, Tracker
from ..settings.config import TrainConfig
from .cost import step_cost
from .engine import Engine
from .forward import forward_update, old_likelihoods
from .optimise import new_optimizer
from .pathwise import pathwise_update
from .policy import Policy
from .processes import Processes
from .rollout import RolloutPlan, roll_out
from .updates import Batch, old_means, reverse_update

log = logging.getLogger(__name__)


class Stepper:
    """Makes the steps of a run.

    Args:
        config: checked settings.
        policy: what is trained in place.
        rewards: who rewards.
        prompts: to train on and to measure with.
        folder: of the run; None keeps nothing on disk.
        processes: of the run; None: this process alone.
    """

    def __init__(
        self,
        config: TrainConfig,
        policy: Policy,
        rewards: RewardStack,
        prompts: TaskSet,
        *,
        folder: Path | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.config, self.policy, self.rewards, self.prompts = config, policy, rewards, prompts
        self.folder, self.processes = folder, processes or Processes()
        count, size = config.data.prompts_per_step, config.rollout.group_size
        self._groups = self.processes.padded_share(count)
        self._weights = torch.tensor(self.processes.weights(count)).repeat_interleave(size)
        self.targets = read_targets(config.data.targets)
        self.processes.check_equal(policy.parameters(), "at the start")
        policy.engine = Engine(
            policy.engine.network, new_optimizer(policy, config.optim), self.processes.accelerator
        )
        self.step, self.seconds = 0, 0.0
        self.budget = Budget(config.steps, config.minutes or None)
        self.average = policy.snapshot() if config.optim.ema_decay else {}
        self.old = policy.snapshot() if config.loss.forward else {}
        self.first_watch: dict[str, float] = {}
        self.best: float | None = None
        self._saved, self._settled, self._flops = 0, True, 0.0
        self.tracker: Tracker | None = None
        self._warned: set[str] = set()

    @property
    def optimizer(self) -> Any:
        """Of LoRA and adapter, as accelerate has prepared it."""
        return self.policy.engine.optimizer

    def train_step(self) -> dict[str, float]:
        """One rollout and its updates; returns the log of the step."""
        phases, begun = Phases(), time.perf_counter()
        one_step = self._pathwise_step if self.config.loss.pathwise else self._grouped_step
        numbers, images = one_step(phases)
        self._average()
        self.step, self._settled = self.step + 1, True
        numbers |= step_cost(
            self.policy, self.optimizer, self.config,
            seconds=time.perf_counter() - begun, flops=self._flops, processes=self.processes.count,
        )  # fmt: skip
        numbers |= {f"time/{name}_s": seconds for name, seconds in phases.seconds.items()}
        numbers = self.processes.mean_numbers(numbers, float(self._weights.mean()))
        self._keep(numbers, images)
        return numbers

    def _grouped_step(self, phases: Phases) -> tuple[dict[str, float], Tensor]:
        """Learns from how the pictures of a group compare."""
        tasks, pictures = self.share_of_step()
        with phases.phase("rollout"):
            batch, futures, images = self._roll_out(tasks, pictures, phases)
        with phases.phase("reward"):
            rewards = self.rewards.collect(futures, self._of_all)
        totals = self._of_all(rewards.total)
        advantages = self._advantages(totals)
        mine = advantages.values[list(pictures)].to(batch.weights.device)
        batch = replace(batch, advantages=mine)
        with phases.phase("update"):
            numbers = self._update(batch)
        return numbers | reward_log(rewards, totals, advantages), images

    def _pathwise_step(self, phases: Phases) -> tuple[dict[str, float], Tensor]:
        """Learns from how each picture should have been different."""
        tasks, pictures = self.share_of_step()
        config = self.config
        plan = RolloutPlan(config.rollout, range(0), config.seed, self.step, pictures)
        self.optimizer.zero_grad(set_to_none=True)
        with phases.phase("update"):
            found = pathwise_update(self.policy, tasks, plan, self.rewards, config, self._weights)
            numbers, rewards, images = found
            totals = self._of_all(rewards.total)
            self._warn("nan", nan_warning(float(totals.isnan().float().mean())))
            numbers |= self._optimise()
        return numbers | reward_log(rewards, totals), images

    def share_of_step(self) -> tuple[list[Task], tuple[int, ...]]:
        """This process's tasks, one a picture, and the numbers of the pictures in the step."""
        config = self.config
        groups = draw_tasks(
            self.prompts.rows or self.prompts.training,
            self.targets,
            count=config.data.prompts_per_step,
            seed=config.seed,
            step=self.step,
            phrase=config.data.words == "phrase",
        )
        size, mine = config.rollout.group_size, self._groups
        pictures = tuple(number * size + i for number in mine for i in range(size))
        return [groups[number] for number in mine for _ in range(size)], pictures

    def _of_all(self, values: Tensor) -> Tensor:
        """Rows of this process -> those of the whole step, each picture once, on the CPU."""
        config = self.config
        count = config.data.prompts_per_step * config.rollout.group_size
        return self.processes.gathered(values)[:count]

    def _roll_out(
        self, tasks: list[Task], pictures: tuple[int, ...], phases: Phases
    ) -> tuple[Batch, list[Future[dict[str, Tensor]]], Tensor]:
        config, futures, images = self.config.rollout, [], []
        window = range(0)
        if not self.config.loss.forward:
            window = sde_window(
                self.config.seed, self.step, num_steps=config.num_inference_steps,
                size=config.window, end=config.window_end,
            )  # fmt: skip
        plan = RolloutPlan(config, window, self.config.seed, self.step, pictures)

        def score(rows: slice, clean: Tensor) -> None:
            with phases.phase("decode"):
                images.append(self.policy.family.decode(clean, quick=True))
            with phases.phase("reward_submit"):
                futures.append(self.rewards.submit(images[-1], tasks[rows]))

        asked = self.policy.encode(tasks, config.guidance_scale, detached=config.guidance_detached)
        # nft takes the old policy for the one that painted
        by_old = self.config.loss.kind == "nft"
        with self.policy.using(self.old) if by_old else contextlib.nullcontext():
            trajectories = roll_out(self.policy, asked, plan, on_clean=score)
        empty, weights = torch.empty(0), self._weights.to(asked.emotion.device)
        batch = Batch(asked, trajectories, empty, weights, pictures, self.step)
        return batch, futures, torch.cat(images)

    def _advantages(self, totals: Tensor) -> Advantages:
        config = self.config
        found = group_advantages(
            totals,
            group_size=config.rollout.group_size,
            limit=config.loss.advantage_limit,
            scale=config.loss.advantage_scale,
        )
        self._warn("nan", nan_warning(found.nan_ratio))
        self._warn("flat", flat_warning(found.zero_std_ratio))
        return found

    def _update(self, batch: Batch) -> dict[str, float]:
        config = self.config
        # each update takes an equal share of every group, so that processes can share groups
        place = torch.arange(len(batch.pictures)) % config.rollout.group_size
        share = config.rollout.group_size // config.optim.updates
        parts = [(place // share == i).nonzero().flatten() for i in range(config.optim.updates)]
        # in the first update the policy is still the one that rolled out; nft has its own
        remember = None
        if config.loss.kind != "nft":
            remember = old_likelihoods if config.loss.forward else old_means
        kept = [
            remember(self.policy, batch, part, config) if remember and number else None
            for number, part in enumerate(parts)
        ]
        numbers: dict[str, float] = {}
        for part, before in zip(parts, kept, strict=True):
            self.optimizer.zero_grad(set_to_none=True)
            if config.loss.forward:
                numbers = forward_update(
                    self.policy, batch, part, config, old=self.old, likelihoods=before
                )
            else:
                numbers = reverse_update(self.policy, batch, part, config, old=before)
            numbers |= self._optimise()
        return numbers

    def _optimise(self) -> dict[str, float]:
        self._settled = False  # until the averages have followed
        numbers = self.policy.engine.step(self.config.optim.clip_norm)
        if numbers["update_skipped"]:
            self._warn("grad", "A gradient was not finite; its update was skipped.")
        return numbers

    def _average(self) -> None:
        """Averages follow the weights; early on they follow faster."""
        trained = self.policy.parameters()
        follow(self.average, trained, decay=young_decay(self.config.optim.ema_decay, self.step + 1))
        loss = self.config.loss
        slow = min(loss.old_decay_rate * (self.step + 1), loss.old_decay_max)
        follow(self.old, trained, decay=slow)

    def _warn(self, kind: str, message: str) -> None:
        if message and kind not in self._warned and self.processes.first:
            log.warning(message)
            self._warned.add(kind)

    def _keep(self, numbers: dict[str, float], images: Tensor) -> None:
        if self.tracker is None:
            return
        self.tracker.log(self.step, numbers)
        if self.config.sheet_every and self.step % self.config.sheet_every == 0:
            self.tracker.sheet(self.step, images, self.config.rollout.group_size)
