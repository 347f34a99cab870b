"""Checkpoints of a run: written aside and moved into place, checked when read, the last N kept."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emofeedback.errors import CheckpointError
from emofeedback.records.files import parsed, replacing
from emofeedback.records.weights import read_file

log = logging.getLogger(__name__)
TENSORS, FACTS = "state.safetensors", "state.json"


@dataclass
class RunState:
    """Everything that a run needs to go on as if it had never stopped.

    Noise, prompts, targets and the window are functions of the seed and the step, so the step is
    their whole state.
    """

    step: int = 0
    seconds: float = 0.0
    values: dict[str, Tensor] = field(default_factory=dict)
    """Trained parameters."""
    start: dict[str, Tensor] = field(default_factory=dict)
    """The adapter as it stood when the run began: half of the reference."""
    average: dict[str, Tensor] = field(default_factory=dict)
    old: dict[str, Tensor] = field(default_factory=dict)
    """The old policy of the forward process."""
    optimizer: dict[str, Any] = field(default_factory=dict)
    """`state_dict()` of the optimiser."""
    rng: Tensor | None = None
    """State of torch's global source when the checkpoint was written."""
    facts: dict[str, str] = field(default_factory=dict)
    """What else must be the same when the run goes on, such as its settings."""
    first_watch: dict[str, float] = field(default_factory=dict)


def save_state(folder: Path, state: RunState, *, keep: int) -> Path:
    """Write `folder/step-NNNNNN` and drop all but the last `keep`.

    Raises: CheckpointError: the disk is full or not writable; earlier checkpoints stay whole.
    """
    from safetensors.torch import save_file

    target = folder / f"step-{state.step:06d}"
    for left in folder.glob(".step-*.partial"):  # of a run that was killed while it wrote
        shutil.rmtree(left, ignore_errors=True)
    try:
        with replacing(target, durable=True) as partial:
            partial.mkdir()
            save_file(_flat(state), str(partial / TENSORS))
            facts = {
                "step": state.step,
                "seconds": state.seconds,
                "first_watch": state.first_watch,
                "facts": state.facts,
                "param_groups": state.optimizer.get("param_groups", []),
                "sha256": _digest(partial / TENSORS),
            }
            (partial / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    except (OSError, RuntimeError) as error:  # safetensors wraps a full disk
        raise CheckpointError(
            f"The checkpoint {target} could not be written ({error}). Earlier checkpoints are "
            "whole: make room and resume the run."
        ) from error
    except Exception as error:
        raise CheckpointError(f"The checkpoint {target} could not be written: {error}") from error
    for old in whole_checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def whole_checkpoints(folder: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    found = [path for path in folder.glob("step-*") if (path / FACTS).is_file()]
    return sorted(found, key=lambda path: (len(path.name), path.name))  # past 999,999 too


def load_latest(folder: Path) -> RunState:
    """The newest checkpoint that is not damaged.

    Raises: CheckpointError: there is none.
    """
    found = whole_checkpoints(folder)
    reasons = []
    for path in reversed(found):
        try:
            return load_state(path)
        except CheckpointError as error:
            log.warning("%s Trying the one before.", error)
            reasons.append(path.name)
    raise CheckpointError(
        f"There is no checkpoint to resume in {folder}"
        + (f": {', '.join(reasons)} are damaged." if reasons else ".")
        + f" Start anew: without --resume, or delete {folder}."
    )


def kept_facts(path: Path) -> dict[str, str]:
    """What a checkpoint says beside its numbers, without its tensors.

    Raises: CheckpointError: the file is missing or damaged.
    """
    try:
        return dict(json.loads((path / FACTS).read_text(encoding="utf-8")).get("facts", {}))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"The checkpoint {path} is damaged: {error!r}.") from error


def read_average(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint, or the trained ones where no average was kept; of an
    adapter that was not trained those that the run began with.

    Raises: CheckpointError: as `load_state`.
    """
    _, tensors = _read(path)
    found = {
        f"adapter.{k.removeprefix('start/')}": v
        for k, v in tensors.items()
        if k.startswith("start/")
    }
    for kind in ("values", "average"):
        prefix = f"{kind}/"
        found |= {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return found


def read_single_file(path: Path) -> RunState:
    """A recipe's checkpoint from before they were folders.

    Raises: CheckpointError: the file is damaged.
    """
    tensors, facts = read_file(path)
    try:
        state = RunState(
            step=int(facts["step"]),
            seconds=float(facts["seconds"]),
            optimizer={"state": {}},
            facts={name: facts[name] for name in ("role", "config")},
        )
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is no checkpoint of a recipe ({error!r}).") from error
    _take(state, tensors, {"value": "values"})
    return state


def load_state(path: Path) -> RunState:
    """Raises: CheckpointError: a file is missing or its content is not what was written."""
    facts, tensors = _read(path)
    try:
        state = RunState(
            step=int(facts["step"]),
            seconds=float(facts["seconds"]),
            first_watch=dict(facts["first_watch"]),
            facts=dict(facts.get("facts", {})),
            optimizer={"state": {}, "param_groups": facts["param_groups"]},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The checkpoint {path} is damaged: {error!r}.") from error
    _take(state, tensors, {})
    return state


def _take(state: RunState, tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    """Sorts tensors into a state by the first part of their keys; `names` renames that part."""
    for key, value in tensors.items():
        kind, name = key.split("/", 1)
        if kind == "optimizer":
            index, entry = name.split("/", 1)
            state.optimizer["state"].setdefault(int(index), {})[entry] = value
        elif kind == "rng":
            state.rng = value
        else:
            getattr(state, names.get(kind, kind))[name] = value


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not (path / FACTS).is_file():
        raise CheckpointError(
            f"{path} holds no {FACTS}, so it is no finished checkpoint of a run. Give a folder "
            "such as RUN/checkpoints/step-000100."
        )
    try:
        facts = parsed((path / FACTS).read_text(encoding="utf-8"))
        if _digest(path / TENSORS) != facts["sha256"]:
            raise CheckpointError(f"The checkpoint {path} is damaged: its tensors have changed.")
        return facts, read_file(path / TENSORS)[0]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The checkpoint {path} is damaged: {error!r}.") from error


def _flat(state: RunState) -> dict[str, Tensor]:
    tensors = {
        f"{kind}/{name}": value.detach().to("cpu", copy=True).contiguous()
        for kind in ("values", "start", "average", "old")
        for name, value in getattr(state, kind).items()
    }
    for index, entries in state.optimizer.get("state", {}).items():
        for name, value in entries.items():
            tensors[f"optimizer/{index}/{name}"] = (
                torch.as_tensor(value).detach().cpu().clone().contiguous()
            )
    return tensors if state.rng is None else tensors | {"rng/torch": state.rng}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
