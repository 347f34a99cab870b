"""Weight files in safetensors, checked by their header before a tensor is read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from .files import parsed

MAX_HEADER_BYTES = 16 * 2**20
DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """The first part of a safetensors file, checked."""

    tensors: dict[str, dict[str, Any]]
    metadata: dict[str, str]
    data_start: int
    """Offset of the tensor data in the file, in bytes."""


def read_header(path: Path, *, max_bytes: int | None = None) -> Header:
    """Check a safetensors file without reading its tensors.

    Raises: CheckpointError: missing, truncated, damaged, too large or no safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no weight file at {path}. Check the path.")
    size = path.stat().st_size
    if max_bytes is not None and size > max_bytes:
        raise CheckpointError(
            f"{path} has {size / 2**20:.0f} MB, more than the {max_bytes / 2**20:.0f} MB "
            "such a file can have. It is another kind of file: choose the right one."
        )
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 10 or length > min(size - 8, MAX_HEADER_BYTES):
            raise damaged(path, f"its header claims {length} bytes, the file has {size}")
        raw = file.read(length)
    tensors = _parse(path, raw)
    metadata = tensors.pop("__metadata__", {})
    if not all(isinstance(value, str) for value in metadata.values()):
        raise damaged(path, "its metadata is not text")
    _check_offsets(path, tensors, size - 8 - length)
    return Header(tensors, metadata, 8 + length)


def read_file(
    path: Path, *, max_bytes: int | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises: CheckpointError: missing, truncated, damaged, too large or no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path, max_bytes=max_bytes)
    try:
        return load_file(str(path)), header.metadata
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged(Path(path), str(error)) from error


def tensor_digest(path: Path) -> str:
    """SHA-256 of the tensor data of a safetensors file, as hex; metadata does not count."""
    start = read_header(path).data_start
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        file.seek(start)
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def damaged(path: Path, reason: str) -> CheckpointError:
    """The error of a file whose content cannot be what it says."""
    return CheckpointError(
        f"{path} is damaged or no safetensors file: {reason}. Copy or download it again."
    )


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        content = parsed(raw)
    except ValueError as error:
        raise damaged(path, "its header is not readable") from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise damaged(path, "its header is not a table of tensors")
    return content


def _check_offsets(path: Path, tensors: Mapping[str, dict[str, Any]], data_bytes: int) -> None:
    end = 0
    try:
        for name, entry in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
            begin, stop = entry["data_offsets"]
            wanted = DTYPE_BYTES.get(entry["dtype"], 0) * math.prod(entry["shape"])
            if begin != end or stop < begin or (wanted and stop - begin != wanted):
                raise damaged(path, f"tensor {name[:80]!r} does not stand where the header says")
            end = stop
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, "an entry of its header is incomplete") from error
    if end != data_bytes:
        raise damaged(path, f"it holds {data_bytes} bytes of tensors, its header promises {end}")
