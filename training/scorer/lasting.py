"""What makes TRL's training last: checkpoints of the project's kind, exact resume, log and budget.

TRL's own checkpoints pickle the optimiser and the random sources. Here each step is seeded by the
seed and its number, and the walk through the pictures is a function of both, so weights, optimiser
and step are the whole state, wherever new answers are drawn next. Where answers serve several
updates (`scorer.trl.num_iterations` and the like), a run goes on from the last step of that kind.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import TrainerCallback

from emofeedback.errors import CheckpointError

from ..runs.budget import Budget
from ..runs.run import CHECKPOINTS, StepRandom
from ..runs.run_state import RunState, load_latest, save_state, whole_checkpoints
from ..runs.tracking import Tracker
from ..settings.config import TrainConfig
from .measure import BEFORE_FILE
from .together import Together
from .trl_settings import Rhythm

log = logging.getLogger(__name__)
TOKENS, PROCESSES = "tokens", "processes"


class Lasting(TrainerCallback):
    """Goes on from the newest checkpoint of a folder, and keeps what comes after it.

    Args:
        folder: of the run; where it holds no checkpoint, the run begins.
        rhythm: of drawing and learning.
        together: the processes; the first keeps the files.
    Raises: CheckpointError: there are checkpoints, and all are damaged.
    """

    def __init__(
        self, config: TrainConfig, folder: Path, rhythm: Rhythm, together: Together
    ) -> None:
        self.together, self._processes = together, together.processes
        self.config, self.folder, self.rhythm = config, folder / CHECKPOINTS, rhythm
        self.state = load_latest(self.folder) if whole_checkpoints(self.folder) else RunState()
        self.step = self._saved = self._begun = self.state.step
        self._budget = Budget(config.steps, config.minutes or None)
        self._started = time.monotonic() - self.state.seconds
        self._whole, self._tokens = True, int(self.state.facts.get(TOKENS, "0"))
        self._model: Any = None
        self._optimizer: Any = None
        self._tracker: Tracker | None = None
        if together.first:
            self._tracker = Tracker(
                folder, tensorboard=config.tensorboard, step=self.step, wandb=config.wandb,
                settings=dataclasses.asdict(config) if config.wandb else {},
            )  # fmt: skip

    def over(self) -> bool:
        """Whether the steps or the minutes are spent, in any process."""
        seconds = time.monotonic() - self._started
        return self._processes.any(self._budget.over(self.step, seconds))

    def restore(self, model: Any) -> None:
        """Give the trained weights of the checkpoint to a model that was built as the run's was."""
        restore(model, self.state.values)
        self._processes.check_equal(trained(model), "at the start")

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Inside TRL trains; whatever ends it, the last step to go on from is kept."""
        self._started = time.monotonic() - self.state.seconds
        try:
            yield
            self._save()
            self.together.leave()
        except BaseException:
            if self._whole or self.rhythm.reuses:
                try:
                    self._save()
                except CheckpointError as error:
                    log.error("%s", error)
            raise
        finally:
            if self._tracker is not None:
                self._tracker.close()

    # -- called by TRL ----------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Take up step, optimiser and learning rate."""
        self._model, self._optimizer = parts["model"], parts["optimizer"]
        if not self.step:
            return
        earlier = int(self.state.facts.get(PROCESSES, "1"))
        if self.together.first:
            log.info("resumed at step %d", self.step)
        if self.together.first and earlier != self._processes.count:
            log.warning(
                "The run had %d process(es) and goes on with %d, which draw other answers.",
                earlier, self._processes.count,
            )  # fmt: skip
        if args.use_vllm and self.together.first:
            log.warning("The vLLM server draws other answers than the run would have had.")
        state.global_step, state.num_input_tokens_seen = self.step, self._tokens
        self._optimizer.load_state_dict(self.state.optimizer)
        schedule = parts["lr_scheduler"]
        schedule.last_epoch = self.step - 1
        with warnings.catch_warnings():  # the optimiser's steps were made by an earlier process
            warnings.simplefilter("ignore")
            schedule.step()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Answers are drawn by the seed, the step, and the number of the process alone."""
        StepRandom.of(self.config.seed, state.global_step, self._processes.rank)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """From here to the log's line the weights belong to no whole step."""
        self._whole = False

    def on_log(self, args: Any, state: Any, control: Any, **parts: Any) -> Any:
        """The end of a step: its line, its checkpoint, and whether it is the last."""
        logs = parts.get("logs") or {}
        if "loss" not in logs:  # TRL's summary of a whole training
            return control
        numbers = {k: float(v) for k, v in logs.items() if isinstance(v, int | float)}
        del numbers["epoch"]
        if self.step == self._begun:  # which TRL takes for the mean of all steps so far
            numbers["loss"] *= state.global_step
        self.step, self._tokens = state.global_step, state.num_input_tokens_seen
        self._whole = True
        numbers = self._processes.mean_numbers(numbers)
        if self._tracker is not None:
            self._tracker.log(self.step, numbers)
        every = self.config.compare_every
        if every and self.step % every == 0:
            self._processes.check_equal(trained(self._model), f"after step {self.step}")
        if self.rhythm.fresh(self.step):
            self._remember()
            control.should_training_stop |= self.over()
        control.should_training_stop |= self._processes.any(self.together.stopped())
        if self.step % self.config.checkpoint_every == 0:
            self._save()
        return control

    def _remember(self) -> None:
        now = RunState(
            step=self.step,
            seconds=time.monotonic() - self._started,
            values=trained(self._model),
            optimizer=self._optimizer.state_dict(),
            facts={TOKENS: str(self._tokens), PROCESSES: str(self._processes.count)},
        )
        # a copy where the weights move on before they can be gone on with again
        self.state = copy.deepcopy(now) if self.rhythm.reuses else now

    def _save(self) -> None:
        if self._saved == self.state.step or not self.together.first:
            return
        save_state(self.folder, self.state, keep=self.config.keep_checkpoints)
        self._saved = self.state.step


def finished(config: TrainConfig, folder: Path) -> bool:
    """Whether a run has made all its steps, its model and what it measures: then it stays as it is,
    which is said.

    Raises: CheckpointError: there are checkpoints, and all are damaged.
    """
    measured = (folder / "table.json").is_file() or not (folder / BEFORE_FILE).is_file()
    checkpoints = folder / CHECKPOINTS
    if not (measured and (folder / "scorer").is_dir() and whole_checkpoints(checkpoints)):
        return False
    state = load_latest(checkpoints)
    over = Budget(config.steps, config.minutes or None).over(state.step, state.seconds)
    if over:
        log.info("%s is done (step %d): what it holds stays as it is.", folder, state.step)
    return over


def trained(model: Any) -> dict[str, Tensor]:
    """The parameters that a training changes, by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def restore(model: Any, values: Mapping[str, Tensor]) -> None:
    """Give a model the trained weights of another that was built as it was."""
    with torch.no_grad():
        for name, value in trained(model).items():
            if name in values:
                value.copy_(values[name])


def walk(count: int, seed: int, first: int, end: int) -> list[int]:
    """Places `first` to `end` of an endless walk through `count` pictures, each round shuffled
    anew: numbers 0..count-1. `end` is left out."""
    rounds = range(first // count, -(-end // count))
    if not rounds:
        return []
    orders = [np.random.default_rng((seed, turn, 8)).permutation(count) for turn in rounds]
    places = np.concatenate(orders)[first - rounds.start * count :]
    return [int(place) for place in places[: end - first]]
