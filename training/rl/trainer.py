"""The loop of stage `generator`: rollout, reward, advantage, update, measure, checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any

from torch.distributed.tensor import DTensor

from emofeedback.errors import CheckpointError, EmoFeedbackError

from ..formulas.advantages import small_warning
from ..runs.run_state import load_latest, save_state
from ..runs.stopping import stoppable
from ..runs.tracking import Tracker
from .ahead import encode_ahead, prompts_of_run
from .checkpoints import BEST, check_prompts, state_of, take_up
from .cost import step_flops
from .step import Stepper
from .watch import hacking_message, measure_policy

log = logging.getLogger(__name__)


class Trainer(Stepper):
    """One run: `fit` makes its steps and keeps what comes of them."""

    # -- the loop -------------------------------------------------------------------------------

    def fit(self) -> None:
        """Train until the steps or the minutes are spent; a checkpoint at the end and on errors.

        Raises: ScorerError: a reward failed. CheckpointError: the disk refused.
        """
        self._open()
        with stoppable(at_once=self.processes.count == 1) as stopped:
            try:
                self._steps(stopped)
            except BaseException:
                self._save_on_the_way_out()
                raise
            finally:
                if self.tracker is not None:
                    self.tracker.close()

    def _steps(self, stopped: Callable[[], bool]) -> None:
        from tqdm import tqdm

        config = self.config
        started = time.monotonic() - self.seconds
        spent = self.budget.spent(self.step, self.seconds)
        with tqdm(
            total=self.budget.total(), initial=spent, disable=not self.processes.first
        ) as bar:
            # every process must leave in the same step
            while not self.processes.any(stopped() or self.budget.over(self.step, self.seconds)):
                self._watch_if_due()
                numbers = self.train_step()
                self.seconds = time.monotonic() - started
                self._show(bar, numbers)
                if config.compare_every and self.step % config.compare_every == 0:
                    moment = f"after step {self.step}"
                    self.processes.check_equal(self.policy.parameters(), moment)
                if self.step % config.checkpoint_every == 0:
                    self.save()
        if self._saved != self.step:
            self.save()
        if self.processes.any(stopped()):
            raise KeyboardInterrupt
        self._watch_if_due(last=True)

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
        # the judge's word where there is a judge
        score = -now["watch/error"] if "watch/error" in now else now["watch/reward"]
        better = self.best is None or score > self.best
        self.best = score if better else self.best
        if not self.first_watch:
            self.first_watch = now
            return
        if better:
            self.save(BEST)
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
                self.policy, self.rewards, self.config, self.prompts.measured, self.targets,
                processes=self.processes,
            )  # fmt: skip

    # -- files and processes --------------------------------------------------------------------

    def resume(self) -> None:
        """Take up the newest whole checkpoint of the run folder.

        Raises: CheckpointError: there is none. ConfigError: its prompts have changed.
        """
        assert self.folder is not None
        state = load_latest(self.folder / "checkpoints")
        check_prompts(state.facts, self.prompts)
        take_up(self, state)
        self._warn("question", self.rewards.changed_since(state.facts.get("question")))

    def save(self, kind: str = "checkpoints") -> None:
        """Write a checkpoint; all processes must call it.

        Args:
            kind: of them, each with a folder of its own: checkpoints are the last ones.
        """
        state = state_of(self)
        if self.folder is not None and self.processes.first:
            keep = self.config.keep_checkpoints if kind == "checkpoints" else 1
            save_state(self.folder / kind, state, keep=keep)
        if kind == "checkpoints":
            self._saved = self.step

    def _save_on_the_way_out(self) -> None:
        """Whatever ends the run: keep the last whole step, unless others would have to help."""
        shared_out = any(isinstance(v, DTensor) for v in self.policy.parameters().values())
        if self._saved == self.step or not self._settled or shared_out:
            return
        try:
            self.save()
        except CheckpointError as error:
            log.error("%s", error)

    def _open(self) -> None:
        config = self.config
        if self.folder is not None and self.processes.first and self.tracker is None:
            self.tracker = Tracker(
                self.folder, tensorboard=config.tensorboard, step=self.step, wandb=config.wandb,
                settings=dataclasses.asdict(config) if config.wandb else {},
            )  # fmt: skip
        self._saved = self.step
        if config.data.words != "phrase":
            told = prompts_of_run(config, self.prompts, first=self.step)
            encode_ahead(self.policy, told, self.processes)
        self._flops = step_flops(self.policy, config) if config.peak_tflops else 0.0
        if not config.loss.pathwise:
            groups = config.rollout.group_size, config.data.prompts_per_step
            self._warn("small", small_warning(*groups))

    def _show(self, bar: Any, numbers: dict[str, float]) -> None:
        pictures = self.step * self.config.data.prompts_per_step * self.config.rollout.group_size
        told = f"step {self.step}, {pictures} pictures, reward {numbers['reward/mean']:.3f}"
        bar.set_postfix_str(told, refresh=False)
        bar.update(self.budget.spent(self.step, self.seconds) - bar.n)
