"""The processes of a scorer's training, which TRL's trainer spreads by DDP, and how they agree."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emofeedback.errors import ConfigError

from ..rl.engine import refuse_settings
from ..rl.processes import Processes
from ..runs.stopping import stoppable

log = logging.getLogger(__name__)
PATIENCE = timedelta(hours=6)
"""How long processes wait for the first, which makes the supervised start alone."""
WAYS = {
    "ACCELERATE_MIXED_PRECISION": ("no", "mixed_precision: 'no', and scorer.trl.bf16 of ours"),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": (
        "1", "1, and scorer.trl.gradient_accumulation_steps of ours",
    ),
    "ACCELERATE_DYNAMO_BACKEND": ("no", "dynamo_backend: 'NO', and scorer.trl.torch_compile"),
    "ACCELERATE_USE_MEGATRON_LM": ("false", "training/engines/eight_gpus.yaml"),
    "ACCELERATE_USE_PARALLELISM_CONFIG": ("false", "training/engines/eight_gpus.yaml"),
    "ACCELERATE_USE_FSDP": ("false", "training/engines/eight_gpus.yaml (a copy in each process)"),
    "ACCELERATE_USE_DEEPSPEED": (
        "false", "training/engines/eight_gpus.yaml (a copy in each process)",
    ),
}  # fmt: skip
"""Settings of accelerate's config that this stage does not take: what they must be, and the way."""


@dataclass(frozen=True)
class Together:
    """One process of a training, and whether someone wants it to end."""

    processes: Processes
    stopped: Callable[[], bool]

    @property
    def first(self) -> bool:
        """Whether this process keeps files and speaks."""
        return self.processes.first

    def leave(self, wanted: bool = False) -> None:
        """Raises: KeyboardInterrupt: in all processes, where one has had a signal, or wants to."""
        if self.processes.any(wanted or self.stopped()):
            raise KeyboardInterrupt

    def measured(
        self, items: Sequence[Any], measure: Callable[[Any], Any], what: str
    ) -> np.ndarray:
        """`measure` of every item [N, numbers]; the processes share the items.

        Args:
            what: the items are, for the progress bar.
        Raises: KeyboardInterrupt
        """
        from tqdm import tqdm

        rows = []
        for place in tqdm(
            self.processes.padded_share(len(items)), desc=what, disable=not self.first
        ):
            if self.stopped():
                break
            rows.append(measure(items[place]))
        self.leave()
        found = torch.from_numpy(np.asarray(rows, dtype=np.float64))
        return np.asarray(self.processes.gathered(found)[: len(items)])


@contextlib.contextmanager
def together(folder: Path | None) -> Iterator[tuple[Together, Path]]:
    """Inside, the processes of `accelerate launch` train as one; the folder of the run.

    Signals end a single process where it stands, several ones together after the step.

    Args:
        folder: None in those that have not made it.
    Raises: ConfigError: part of accelerate's config would be ignored here, or the processes have no
        folder in common.
    """
    from accelerate import PartialState

    refuse_settings(WAYS)
    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    processes = Processes(state)
    if processes.first and folder is not None:
        folder.mkdir(parents=True, exist_ok=True)  # before the others hear of it
    shared = Path(processes.word_of_first(str(folder or "")))
    if processes.first:
        log.info("processes: %d, on %s", processes.count, state.device.type)
    if processes.any(not shared.is_dir()):
        raise ConfigError(
            f"The run's folder {shared} is not there for all {processes.count} processes: name one "
            "with --run on a disk that all machines share."
        )
    with stoppable(at_once=processes.count == 1) as stopped:
        yield Together(processes, stopped), shared
