"""The loop of stage `generator`: rollout, reward, advantage, update, measure, checkpoint."""

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

from emofeedback.errors import EmoFeedbackError

from ..data.prompts import Task, TaskSet, draw_tasks, read_targets
from ..formulas.advantages import (
    Advantages,
    flat_warning,
    group_advantages,
    nan_warning,
    small_warning,
)
from ..formulas.dynamics import sde_window
from ..rewards.stack import Rewards, RewardStack, reward_log
from ..runs.averages import follow, young_decay
from ..runs.budget import Budget
from ..runs.run_state import RunState, load_latest, moved, save_state
from ..runs.tracking import Phases, Tracker
from ..settings.config import TrainConfig
from .forward import forward_update, old_likelihoods
from .optimise import new_optimizer, optimise
from .pathwise import pathwise_update
from .policy import Policy
from .processes import Processes
from .rollout import RolloutPlan, roll_out
from .updates import Batch, old_means, reverse_update
from .watch import hacking_message, measure_policy

log = logging.getLogger(__name__)


class Trainer:
    """One run.

    Args:
        config: checked settings.
        policy: LoRA and adapter in place.
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
        self._groups = self.processes.share(config.data.prompts_per_step, "data.prompts_per_step")
        self.targets = read_targets(config.data.targets)
        self.optimizer = new_optimizer(policy, config.optim)
        self.step, self.seconds = 0, 0.0
        self.budget = Budget(config.steps, config.minutes or None)
        self.average = policy.snapshot() if config.optim.ema_decay else {}
        self.old = policy.snapshot() if config.loss.forward else {}
        self.first_watch: dict[str, float] = {}
        self.tracker: Tracker | None = None
        self._warned: set[str] = set()

    # -- the loop -------------------------------------------------------------------------------

    def fit(self) -> None:
        """Train until the steps or the minutes are spent; a checkpoint at the end and on errors.

        Raises: ScorerError: a reward failed. CheckpointError: the disk refused.
        """
        from tqdm import tqdm

        self._open()
        config, saved = self.config, self.step
        started = time.monotonic() - self.seconds
        spent = self.budget.spent(self.step, self.seconds)
        with tqdm(
            total=self.budget.total(), initial=spent, disable=not self.processes.first
        ) as bar:
            # every process must leave in the same step
            while not self.processes.any(self.budget.over(self.step, self.seconds)):
                self._watch_if_due()
                numbers = self.train_step()
                self.seconds = time.monotonic() - started
                self._show(bar, numbers)
                if config.compare_every and self.step % config.compare_every == 0:
                    moment = f"after step {self.step}"
                    self.processes.check_equal(self.policy.parameters(), moment)
                if self.step % config.checkpoint_every == 0:
                    self.save()
                    saved = self.step
        if saved != self.step:
            self.save()
        self._watch_if_due(last=True)
        if self.tracker is not None:
            self.tracker.close()

    def train_step(self) -> dict[str, float]:
        """One rollout and its updates; returns the log of the step."""
        phases = Phases()
        one_step = self._pathwise_step if self.config.loss.pathwise else self._grouped_step
        numbers, images = one_step(phases)
        self.step += 1
        self._average()
        numbers |= {f"time/{name}_s": seconds for name, seconds in phases.seconds.items()}
        numbers = self.processes.mean_numbers(numbers)
        self._keep(numbers, images)
        return numbers

    def _grouped_step(self, phases: Phases) -> tuple[dict[str, float], Tensor]:
        """Learns from how the pictures of a group compare."""
        tasks, pictures = self.share_of_step()
        with phases.phase("rollout"):
            batch, futures, images = self._roll_out(tasks, pictures, phases)
        with phases.phase("reward"):
            rewards = self.rewards.collect(futures, self.processes.gathered)
        advantages = self._advantages(rewards)
        device = next(iter(self.policy.parameters().values())).device
        batch = replace(batch, advantages=self.processes.mine(advantages.values.to(device)))
        with phases.phase("update"):
            numbers = self._update(batch)
        return numbers | reward_log(
            rewards, self.processes.gathered(rewards.total), advantages
        ), images

    def _pathwise_step(self, phases: Phases) -> tuple[dict[str, float], Tensor]:
        """Learns from how each picture should have been different."""
        tasks, pictures = self.share_of_step()
        config = self.config
        plan = RolloutPlan(config.rollout, range(0), config.seed, self.step, pictures)
        self.optimizer.zero_grad(set_to_none=True)
        with phases.phase("update"):
            found = pathwise_update(self.policy, tasks, plan, self.rewards, config)
            numbers, rewards, images = found
            totals = self.processes.gathered(rewards.total)
            self._warn("nan", nan_warning(float(totals.isnan().float().mean())))
            numbers |= self._optimise()
        return numbers | reward_log(rewards, totals), images

    def share_of_step(self) -> tuple[list[Task], tuple[int, ...]]:
        """This process's tasks, one a picture, and the numbers of the pictures in the step."""
        config = self.config
        groups = draw_tasks(
            self.prompts.training,
            self.targets,
            count=config.data.prompts_per_step,
            seed=config.seed,
            step=self.step,
        )
        size, mine = config.rollout.group_size, self._groups
        pictures = range(mine.start * size, mine.stop * size)
        return [groups[number] for number in mine for _ in range(size)], tuple(pictures)

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

        asked = self.policy.encode(tasks, config.guidance_scale)
        trajectories = roll_out(self.policy, asked, plan, on_clean=score)
        empty = torch.empty(0)
        return Batch(asked, trajectories, empty, pictures, self.step), futures, torch.cat(images)

    def _advantages(self, rewards: Rewards) -> Advantages:
        config = self.config
        totals = self.processes.gathered(rewards.total)
        found = group_advantages(
            totals,
            group_size=config.rollout.group_size,
            limit=config.loss.advantage_limit,
            scale=config.loss.advantage_scale,
        )
        self._warn("nan", nan_warning(found.nan_ratio))
        self._warn("flat", flat_warning(found.zero_std_ratio))
        return found

    # -- updates --------------------------------------------------------------------------------

    def _update(self, batch: Batch) -> dict[str, float]:
        config = self.config
        # each update takes an equal share of every group, so that processes can share groups
        place = torch.arange(len(batch.pictures)) % config.rollout.group_size
        share = config.rollout.group_size // config.optim.updates
        parts = [(place // share == i).nonzero().flatten() for i in range(config.optim.updates)]
        # with one update the policy is still the one that rolled out
        remember = None
        if len(parts) > 1 and config.loss.kind != "nft":
            remember = old_likelihoods if config.loss.forward else old_means
        kept = [remember(self.policy, batch, p, config) if remember else None for p in parts]
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
        clip_norm = self.config.optim.clip_norm
        numbers = optimise(self.policy, self.optimizer, self.processes, clip_norm=clip_norm)
        if numbers["update_skipped"]:
            self._warn("grad", "A gradient was not finite; its update was skipped.")
        return numbers

    def _average(self) -> None:
        """Averages follow the weights; early on they follow faster."""
        trained = self.policy.parameters()
        follow(self.average, trained, decay=young_decay(self.config.optim.ema_decay, self.step))
        loss = self.config.loss
        slow = min(loss.old_decay_rate * self.step, loss.old_decay_max)
        follow(self.old, trained, decay=slow)

    # -- measuring ------------------------------------------------------------------------------

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Inside, the policy has the averaged weights, if there are any."""
        return self.policy.using(self.average) if self.average else contextlib.nullcontext()

    def _watch_if_due(self, *, last: bool = False) -> None:
        config = self.config.watch
        if not config.every or (self.step % config.every and not last):
            return
        now = self.watch()
        if self.tracker is not None:
            self.tracker.log(self.step, now | {"time/total_s": self.seconds})
        if not self.first_watch:
            self.first_watch = now
            return
        message = hacking_message(self.first_watch, now, tolerance=config.tolerance)
        if message and config.stop:
            self.save()
            raise EmoFeedbackError(message)
        if message:
            log.warning(message)

    def watch(self) -> dict[str, float]:
        """What `measure_policy` says of the averaged policy on held-out prompts."""
        with self.averaged():
            return measure_policy(
                self.policy, self.rewards, self.config, self.prompts.held_out, self.targets,
                processes=self.processes,
            )  # fmt: skip

    # -- files and processes --------------------------------------------------------------------

    def resume(self) -> None:
        """Take up the newest whole checkpoint of the run folder.

        Raises: CheckpointError: there is none.
        """
        assert self.folder is not None
        state = load_latest(self.folder / "checkpoints")
        device = next(iter(self.policy.parameters().values())).device
        with torch.no_grad():
            for name, parameter in self.policy.parameters().items():
                parameter.copy_(state.values[name])
            self.policy.start_adapter.load_state_dict(state.start)
        self.average, self.old = moved(state.average, device), moved(state.old, device)
        self.optimizer.load_state_dict(state.optimizer)
        self.step, self.seconds = state.step, state.seconds
        self.first_watch = state.first_watch
        if state.rng is not None:
            torch.set_rng_state(state.rng)
        self._warn("question", self.rewards.changed_since(state.facts.get("question")))

    def save(self) -> None:
        """Write a checkpoint."""
        if self.folder is None or not self.processes.first:
            return
        state = RunState(
            step=self.step,
            seconds=self.seconds,
            values=self.policy.snapshot(),
            start=self.policy.start_adapter.state_dict(),
            average=self.average,
            old=self.old,
            optimizer=self.optimizer.state_dict(),
            first_watch=self.first_watch,
            rng=torch.get_rng_state(),
            facts={"question": self.rewards.question},
        )
        save_state(self.folder / "checkpoints", state, keep=self.config.keep_checkpoints)

    def _open(self) -> None:
        config = self.config
        if self.folder is not None and self.processes.first and self.tracker is None:
            self.tracker = Tracker(self.folder, tensorboard=config.tensorboard, step=self.step)
        self.processes.check_equal(self.policy.parameters(), "at the start")
        if not config.loss.pathwise:
            groups = config.rollout.group_size, config.data.prompts_per_step
            self._warn("small", small_warning(*groups))

    def _keep(self, numbers: dict[str, float], images: Tensor) -> None:
        if self.tracker is None:
            return
        self.tracker.log(self.step, numbers)
        if self.config.sheet_every and self.step % self.config.sheet_every == 0:
            self.tracker.sheet(self.step, images, self.config.rollout.group_size)

    def _warn(self, kind: str, message: str) -> None:
        if message and kind not in self._warned and self.processes.first:
            log.warning(message)
            self._warned.add(kind)

    def _show(self, bar: Any, numbers: dict[str, float]) -> None:
        bar.set_postfix_str(f"step {self.step}, reward {numbers['reward/mean']:.3f}", refresh=False)
        bar.update(self.budget.spent(self.step, self.seconds) - bar.n)
