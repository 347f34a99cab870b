"""Files of a training run: snapshots to resume from and exported weights, written atomically."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from emofeedback.errors import CheckpointError
from emofeedback.records.files import replacing


@dataclass
class Snapshot:
    """Everything a run needs to go on as if it had never stopped."""

    values: Mapping[str, Tensor]
    """Parameters and buffers by `module.name`."""
    averages: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Replace the file at `path` by the snapshot, in one step."""
    tensors = {f"value/{name}": value for name, value in snapshot.values.items()}
    tensors |= {f"average/{name}": value for name, value in snapshot.averages.items()}
    for index, state in snapshot.optimizer.items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in state.items()}
    _write(path, tensors, snapshot.facts)


def read_snapshot(path: Path) -> Snapshot:
    """Read a snapshot back.

    Raises: CheckpointError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    snapshot = Snapshot(values={})
    values: dict[str, Tensor] = {}
    try:
        with safe_open(str(path), framework="pt") as file:
            snapshot.facts = dict(file.metadata() or {})
            for key in file.keys():  # noqa: SIM118 - safe_open is no mapping
                kind, name = key.split("/", 1)
                if kind == "optimizer":
                    index, field_name = name.split("/", 1)
                    state = snapshot.optimizer.setdefault(int(index), {})
                    state[field_name] = file.get_tensor(key)
                else:
                    store = values if kind == "value" else snapshot.averages
                    store[name] = file.get_tensor(key)
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be resumed from ({error}). Delete it to start the run again."
        ) from error
    snapshot.values = values
    return snapshot


def export(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> Path:
    """Write finished weights in half precision with string metadata, in one step."""
    halves = {
        name: value.half() if value.is_floating_point() else value
        for name, value in tensors.items()
    }
    _write(path, halves, facts)
    return path


def _write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    from safetensors.torch import save_file

    # tied or viewed tensors share storage, which the format refuses
    whole = {
        name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()
    }
    with replacing(path, durable=True) as partial:
        save_file(whole, str(partial), metadata=dict(facts))


def to_uint8(images: Tensor) -> Tensor:
    """Pictures [B, H, W, 3] in 0..1 as bytes."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)
