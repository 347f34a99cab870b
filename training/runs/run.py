"""A run of a recipe: budget, exact resume, averaged weights, log and progress bar.

A recipe builds its modules, hands them to `Run` with an `Optim`, and calls `run.fit(loss)`:

```python
run = Run("clip", options, config=config, modules={"clip": model}, optim=config.optim)
run.fit(loss, report=report)          # loss(random) -> (scalar tensor, {name: number})
with run.averaged():
    export(options.weights / "model.safetensors", model.state_dict(), run.describe())
```

Everything random in a step comes from `StepRandom`, seeded by (seed, step): a run that was killed
and resumed therefore equals an uninterrupted one bit for bit (with a budget in steps, on one
machine).
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emofeedback.errors import ConfigError

from .averages import follow, young_decay
from .budget import Budget
from .optim import Optim
from .run_state import RunState, load_latest, read_single_file, save_state
from .tracking import Tracker

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line says about a run; the recipe's own values stand in its config."""

    run_dir: Path
    """Folder of the checkpoint, the log and the sample pictures; an existing run is resumed."""
    weights: Path = ROOT / "emofeedback" / "embedded" / "weights"
    """Folder that finished weights are exported to."""
    minutes: float | None = None
    """Budget of training time over all resumed parts; None: the recipe's own."""
    steps: int | None = None
    """Budget in optimiser steps instead of minutes; makes a run exactly repeatable."""
    seed: int = 0
    threads: int = 2
    start: Path | None = None
    """Weights folder to start from in place of random weights, for recipes that can."""
    size: int | None = None
    """Side of the pictures in pixels; None: the recipe's own."""
    pictures: int | None = None
    """Drawings that generator or LVLM learn from; None: the recipe's own."""
    repainted: int | None = None
    """Drawings that the generator repaints for those who read pictures; None: the recipe's own."""
    export: bool = False
    """Write the finished weights into `weights`."""
    checkpoint_seconds: float = 60.0
    """How often the run can be resumed from."""
    tensorboard: bool = False
    wandb: str = ""
    """Project of Weights & Biases; empty: none."""


@dataclass(frozen=True)
class StepRandom:
    """The random sources of one step."""

    step: int
    numpy: np.random.Generator
    torch: torch.Generator

    @staticmethod
    def of(seed: int, step: int, rank: int = 0) -> StepRandom:
        """Sources that depend on the seed and the step alone, and for torch on the number of the
        process; also seeds torch's global source."""
        own = (seed, step, rank) if rank else (seed, step)
        words = np.random.SeedSequence(own).generate_state(2)
        torch.manual_seed(int(words[0]))
        return StepRandom(
            step,
            np.random.default_rng((seed, step, 1)),
            torch.Generator().manual_seed(int(words[1])),
        )


LossFn = Callable[[StepRandom], tuple[Tensor, Mapping[str, float | Tensor]]]
ReportFn = Callable[["Run"], Mapping[str, float]]


@dataclass
class Run:
    """A resumable training run of a few modules under one optimiser."""

    role: str
    options: RunOptions
    config: Any
    """The recipe's frozen dataclass; a run folder made with other values is refused."""
    modules: Mapping[str, nn.Module]
    optim: Optim
    default_minutes: float = 20.0
    step: int = 0
    seconds: float = 0.0
    """Training time so far, checkpoints and reports included."""
    ema: dict[str, Tensor] = field(default_factory=dict)
    reported: dict[str, float] = field(default_factory=dict)
    """What the last report measured."""
    _whole: bool = field(default=True, init=False)
    """Whether the weights are those of `step`, rather than on their way to the next."""

    def __post_init__(self) -> None:
        torch.set_num_threads(self.options.threads)
        self.options.run_dir.mkdir(parents=True, exist_ok=True)
        self.optimizer = self.optim.optimizer([value for _, value in self._named()])
        if self.optim.ema_decay > 0:
            self.ema = {name: value.detach().clone() for name, value in self._named()}
        self._resume()
        self.tracker = Tracker(
            self.options.run_dir, tensorboard=self.options.tensorboard, step=self.step,
            wandb=self.options.wandb, settings=asdict(self.config) if self.options.wandb else {},
        )  # fmt: skip

    # -- budget ---------------------------------------------------------------------------------

    @property
    def progress(self) -> float:
        """Share of the budget spent, 0..1."""
        steps, minutes = self.options.steps, self.options.minutes
        if steps is None and minutes is None:
            minutes = self.default_minutes
        return Budget(steps, minutes).progress(self.step, self.seconds)

    # -- the loop -------------------------------------------------------------------------------

    def fit(self, loss: LossFn, *, report: ReportFn | None = None, report_every: int = 500) -> None:
        """Train until the budget is spent; checkpoints on the way, at the end and when interrupted
        between updates.

        Args:
            loss: gives the scalar to minimise and numbers for the log.
            report: slower measurements, run with averaged weights every `report_every` steps and
                once at the end; must not use torch's global random source in the model.
        """
        started, saved = time.monotonic() - self.seconds, time.monotonic()
        with self._progress_bar() as bar:
            try:
                while self.progress < 1.0:
                    numbers = self._one_step(loss)
                    self.seconds = time.monotonic() - started
                    bar(numbers)
                    if report is not None and self.step % report_every == 0:
                        self._report(report)
                    if time.monotonic() - saved > self.options.checkpoint_seconds:
                        self.save()
                        saved = time.monotonic()
            finally:
                if self._whole:
                    self.save()
        if report is not None:
            self._report(report)
        self.tracker.close()

    def _one_step(self, loss: LossFn) -> dict[str, float]:
        for module in self.modules.values():
            module.train()
        rate = self.optim.rate(self.step, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("relative_rate", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        value, numbers = loss(StepRandom.of(self.options.seed, self.step))
        value.backward()
        norm = nn.utils.clip_grad_norm_(
            [p for group in self.optimizer.param_groups for p in group["params"]],
            self.optim.grad_clip,
        )
        self._whole = False
        self.optimizer.step()
        self.step += 1
        self._average()
        self._whole = True
        logged = {"loss": float(value.detach()), "grad_norm": float(norm), "rate": rate}
        logged |= {name: float(number) for name, number in numbers.items()}
        if self.step % 20 == 0 or self.step == 1:
            self.log(logged)
        return logged

    def _report(self, report: ReportFn) -> None:
        for module in self.modules.values():
            module.eval()
        with torch.no_grad(), self.averaged():
            self.reported = {name: float(value) for name, value in report(self).items()}
        self.log({f"report/{name}": value for name, value in self.reported.items()})

    def log(self, numbers: Mapping[str, float]) -> None:
        """Append one line to log.jsonl in the run folder."""
        self.tracker.log(self.step, {"seconds": round(self.seconds, 1), **numbers})

    @contextlib.contextmanager
    def _progress_bar(self) -> Iterator[Callable[[Mapping[str, float]], None]]:
        from tqdm import tqdm

        shape = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
        with tqdm(
            total=1.0, initial=self.progress, desc=self.role, bar_format=shape, miniters=0
        ) as bar:

            def show(numbers: Mapping[str, float]) -> None:
                bar.set_postfix_str(f"step {self.step}, loss {numbers['loss']:.4f}", refresh=False)
                bar.update(self.progress - bar.n)

            yield show

    # -- averaged weights -----------------------------------------------------------------------

    def _average(self) -> None:
        follow(self.ema, dict(self._named()), decay=young_decay(self.optim.ema_decay, self.step))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the modules hold their averaged weights (where the recipe keeps an average)."""
        held = {name: value.detach().clone() for name, value in self._named() if name in self.ema}
        self._copy_in(self.ema)
        try:
            yield
        finally:
            self._copy_in(held)

    @torch.no_grad()
    def _copy_in(self, values: Mapping[str, Tensor]) -> None:
        for name, value in self._named():
            if name in values:
                value.copy_(values[name])

    # -- checkpoints ----------------------------------------------------------------------------

    def save(self) -> None:
        """Write the whole state; a kill at any moment leaves the last complete one.

        Raises: CheckpointError: the disk is full or not writable.
        """
        state = RunState(
            step=self.step,
            seconds=self.seconds,
            values=dict(self._named(buffers=True)),
            average=self.ema,
            optimizer={"state": self.optimizer.state_dict()["state"]},
            facts={"role": self.role, "config": self._fingerprint()},
        )
        save_state(self.options.run_dir / CHECKPOINTS, state, keep=1)

    def describe(self) -> dict[str, str]:
        """How the weights came about, as string metadata for the exported files."""
        command = f"python -m training.world train {self.role} --seed {self.options.seed}"
        budget = f" --steps {self.step}" if self.options.steps else ""
        budget = budget or f" --minutes {self.seconds / 60:.1f}"
        return {
            "format_version": "1",
            "role": self.role,
            "command": command + budget + " --export",
            "steps": str(self.step),
            "minutes": f"{self.seconds / 60:.1f}",
            "config": self._fingerprint(),
        }

    def _resume(self) -> None:
        earlier = self.options.run_dir / "checkpoint.safetensors"  # before there were folders
        if (self.options.run_dir / CHECKPOINTS).is_dir():
            state = load_latest(self.options.run_dir / CHECKPOINTS)
        elif earlier.is_file():
            state = read_single_file(earlier)
        else:
            return
        if not _same(state.facts["config"], self._fingerprint()):
            raise ConfigError(
                f"{self.options.run_dir} holds a run with other settings: "
                f"{state.facts['config']} there, {self._fingerprint()} here. "
                "Give another --run folder, or delete that one."
            )
        with torch.no_grad():
            for name, value in self._named(buffers=True):
                value.copy_(state.values[name])
        places = {name: value.device for name, value in self._named()}
        self.ema = {name: value.to(places[name]) for name, value in state.average.items()}
        memory = state.optimizer["state"]
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": memory})
        # the fused step walks through memory: a state must lie there as its parameter does
        for parameter, values in self.optimizer.state.items():
            for name, value in values.items():
                if value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(value)
        self.step, self.seconds = state.step, state.seconds
        log.info("resumed %s at step %d", self.options.run_dir, self.step)

    def _fingerprint(self) -> str:
        values = asdict(self.config) | {"seed": self.options.seed, "optim": asdict(self.optim)}
        return json.dumps(values, sort_keys=True, default=str)

    # -- parameters -----------------------------------------------------------------------------

    def _named(self, *, buffers: bool = False) -> Iterator[tuple[str, Tensor]]:
        for prefix, module in self.modules.items():
            for name, value in module.named_parameters():
                if value.requires_grad or buffers:
                    yield f"{prefix}.{name}", value
            if buffers:
                for name, buffer in module.named_buffers():
                    yield f"{prefix}.{name}", buffer


def _same(stored: str, now: str) -> bool:
    """Whether settings are those of a run; what came since it began was not set there."""
    known: dict[str, Any] = json.loads(now)
    return all(known.get(name) == value for name, value in json.loads(stored).items())
