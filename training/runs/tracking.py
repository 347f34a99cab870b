"""What a run writes while it goes: JSONL always, TensorBoard on request, picture sheets."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor

from emofeedback.errors import CheckpointError, MissingDependencyError
from emofeedback.records.files import parsed, replacing

LOG_FILE = "log.jsonl"
ALONE_COLUMNS = 8


@dataclass
class Phases:
    """Seconds spent in each phase of a step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside to this phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


class Tracker:
    """Writes numbers and pictures of a run.

    Args:
        folder: of the run.
        tensorboard: also write event files.
        step: of a resumed run; later lines of an earlier part are dropped, since those steps
            are made again.
        wandb: a project of Weights & Biases; empty: none.
        settings: of the run, for that.
    Raises: MissingDependencyError: wandb or tensorboard is asked for and not there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tensorboard: bool,
        step: int = 0,
        wandb: str = "",
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / LOG_FILE
        self._writer: Any = None
        _drop_after(self.path, step)
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise MissingDependencyError(
                    f"tensorboard=true needs a package that is missing ({error}). Run: pip install "
                    "tensorboard   (or set tensorboard=false: log.jsonl has every number)"
                ) from error

            self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step)
        self._online = open_wandb(wandb, folder.name, settings) if wandb else None

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One line; numbers that are not finite become null."""
        plain = {k: v if math.isfinite(v) else None for k, v in numbers.items()}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **plain}) + "\n")
        except OSError as error:
            raise _unwritten(self.path, error) from error
        if self._online is not None:
            self._online.log(dict(numbers), step=step)
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(name, value, step)

    def sheet(self, step: int, images: Tensor, group_size: int) -> None:
        """Pictures [B, H, W, 3] as a PNG: a group in a row, groups of one picture side by side.

        Raises: CheckpointError: as `log`.
        """
        from PIL import Image

        pixels = tiled(images, group_size if group_size > 1 else ALONE_COLUMNS)
        path = self.folder / "sheets" / f"step-{step:06d}.png"
        try:
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path)
        except OSError as error:
            raise _unwritten(path, error) from error
        if self._writer is not None:
            self._writer.add_image("pictures", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Flush what TensorBoard still holds."""
        if self._writer is not None:
            self._writer.close()
        if self._online is not None:
            self._online.finish()


def open_wandb(project: str, name: str, settings: Mapping[str, Any]) -> Any:
    """accelerate's tracker of Weights & Biases; it asks for a key where none is known.

    Raises: MissingDependencyError
    """
    from accelerate.tracking import WandBTracker
    from accelerate.utils import is_wandb_available

    if not is_wandb_available():
        raise MissingDependencyError(
            f"wandb={project} sends numbers to Weights & Biases, whose package is missing. Run: "
            "pip install wandb   (or leave wandb empty: log.jsonl and TensorBoard have them all)"
        )
    tracker = WandBTracker(project, name=name)
    tracker.start()
    tracker.store_init_configuration(dict(settings))
    return tracker


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, without those that a killed or running process has not finished."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = parsed(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


def tiled(images: Tensor, columns: int) -> np.ndarray:
    """Pictures [B, H, W, 3] in 0..1 side by side, as bytes [rows * H, columns * W, 3]."""
    pixels = (images.clamp(0, 1) * 255).round().byte().cpu().numpy()
    count, height, width, _ = pixels.shape
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for index, each in enumerate(pixels):
        row, column = divmod(index, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = each
    return sheet


def _unwritten(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path} could not be written ({error}). What is whole stays: make room and resume the run."
    )


def _drop_after(path: Path, step: int) -> None:
    if not path.is_file():
        return
    kept = [line for line in read_log(path) if line.get("step", math.inf) <= step]
    with replacing(path) as partial:  # a kill here must not take the run's log with it
        partial.write_text("".join(f"{json.dumps(line)}\n" for line in kept), encoding="utf-8")
