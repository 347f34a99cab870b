"""Emotion checkpoints: two safetensors files that know each other; safe reading of weight files.

`NAME_emotion.safetensors` holds the adapter, `NAME_lora.safetensors` the low-rank change of the
generator. Each names the other by the SHA-256 of its tensor data: the header is left out of the
sum, so that two files can carry each other's name. In the LoRA file alpha / rank is folded into
`lora_B` and no alpha key is written; ComfyUI's stock loader and both diffusers loaders then read
the same thing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CheckpointError
from ..records.files import replacing
from .adapter import EmotionAdapter

FORMAT_VERSION = "1"
KIND = "emofeedback-emotion"
SCALE = "[-3, 3]"
MAX_HEADER_BYTES = 16 * 2**20
MAX_ADAPTER_BYTES = 512 * 2**20
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
            raise _damaged(path, f"its header claims {length} bytes, the file has {size}")
        raw = file.read(length)
    tensors = _parse(path, raw)
    metadata = tensors.pop("__metadata__", {})
    if not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "its metadata is not text")
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
        raise _damaged(Path(path), str(error)) from error


def tensor_digest(path: Path) -> str:
    """SHA-256 of the tensor data of a safetensors file, as hex; metadata does not count."""
    start = read_header(path).data_start
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        file.seek(start)
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class EmotionFacts:
    """What an emotion checkpoint says about itself, as string metadata."""

    base_family: str
    """The model family that the adapter was trained with, e.g. "drawn" or "sd3.5"."""
    trained: str = ""
    """How: the command or the method."""
    config_hash: str = ""
    evaluation: Mapping[str, float] = field(default_factory=dict)
    """Measured numbers by name."""

    def metadata(self) -> dict[str, str]:
        """The facts as safetensors metadata."""
        return {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "scale": SCALE,
            "base_family": self.base_family,
            "trained": self.trained,
            "config_hash": self.config_hash,
            "evaluation": json.dumps(dict(self.evaluation), sort_keys=True),
        }


def save_checkpoint(
    folder: Path,
    name: str,
    adapter: EmotionAdapter,
    facts: EmotionFacts,
    *,
    lora: Mapping[str, Tensor] | None = None,
    lora_scale: float = 1.0,
) -> dict[str, Path]:
    """Write `NAME_emotion.safetensors` and, with a LoRA, its partner `NAME_lora.safetensors`.

    Args:
        lora: keys `transformer.*.lora_A.weight` and `.lora_B.weight`, no alpha.
        lora_scale: alpha / rank of that LoRA; folded into lora_B.
    Raises: CheckpointError: a LoRA key that the stock loaders would not read.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shared = facts.metadata()
    files: dict[str, tuple[Path, dict[str, Tensor], dict[str, str]]] = {
        "emotion": (
            folder / f"{name}_emotion.safetensors",
            {key: value.detach().cpu().contiguous() for key, value in adapter.state_dict().items()},
            shared | {"adapter": json.dumps(adapter.widths())},
        )
    }
    if lora is not None:
        folded = _folded(lora, lora_scale)
        files["lora"] = (folder / f"{name}_lora.safetensors", folded, shared)
    digests = {kind: _digest_of(tensors) for kind, (_, tensors, _) in files.items()}
    for kind, (path, tensors, metadata) in files.items():
        partners = {f"{other}_sha256": digests[other] for other in digests if other != kind}
        _write(path, tensors, metadata | partners)
    return {kind: path for kind, (path, _, _) in files.items()}


def load_adapter(path: Path) -> EmotionAdapter:
    """Read the adapter of an emotion checkpoint, in float32 and evaluation mode.

    Raises: CheckpointError: the file is missing, damaged, of another kind, or does not fit itself.
    """
    path = Path(path)
    metadata = read_header(path, max_bytes=MAX_ADAPTER_BYTES).metadata
    check_kind(path, metadata)
    tensors, _ = read_file(path, max_bytes=MAX_ADAPTER_BYTES)
    if "adapter" not in metadata:
        raise CheckpointError(
            f"{path} is the LoRA half of an emotion checkpoint. Give the file that ends in "
            "_emotion.safetensors here, and load this one with a LoRA loader."
        )
    try:
        adapter = EmotionAdapter(**json.loads(metadata["adapter"]))
        adapter.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise _damaged(path, f"its tensors do not fit its own description: {reason}") from error
    if not all(bool(value.isfinite().all()) for value in adapter.state_dict().values()):
        raise _damaged(path, "it holds numbers that are not finite")
    return adapter.eval()


def read_facts(path: Path) -> EmotionFacts:
    """What an emotion checkpoint (either half) says about itself."""
    metadata = read_header(path).metadata
    check_kind(Path(path), metadata)
    return EmotionFacts(
        base_family=metadata.get("base_family", ""),
        trained=metadata.get("trained", ""),
        config_hash=metadata.get("config_hash", ""),
        evaluation=json.loads(metadata.get("evaluation", "{}")),
    )


def find_partner(path: Path, *, folder: Path | None = None) -> Path | None:
    """The other half of an emotion checkpoint, recognised by its tensor data.

    Args:
        folder: where to look; default: beside the file.
    """
    path = Path(path)
    metadata = read_header(path).metadata
    wanted = metadata.get("lora_sha256") or metadata.get("emotion_sha256")
    if wanted is None:
        return None
    stem = path.stem.rsplit("_", 1)[0]
    files = (folder or path.parent).glob("*.safetensors")
    candidates = sorted(files, key=lambda p: (stem not in p.stem, p))
    for candidate in candidates:
        if candidate != path and _is_ours(candidate) and tensor_digest(candidate) == wanted:
            return candidate
    return None


def _is_ours(path: Path) -> bool:
    """Told by the header: a folder of LoRAs holds gigabytes, and now and then a broken file."""
    try:
        return read_header(path).metadata.get("kind") == KIND
    except CheckpointError:
        return False


def check_kind(path: Path, metadata: Mapping[str, str]) -> None:
    """Refuse a file that is no emotion checkpoint of a version that this package reads.

    Raises: CheckpointError
    """
    if metadata.get("kind") != KIND:
        found = metadata.get("kind") or metadata.get("modelspec.architecture") or "no such mark"
        raise CheckpointError(
            f"{path} is a safetensors file, but no emotion checkpoint (found: {found}). "
            "Choose a file NAME_emotion.safetensors that this project's training wrote."
        )
    if metadata.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {metadata.get('format_version')!r}, this package reads "
            f"{FORMAT_VERSION!r}. Update the package, or export the checkpoint again."
        )


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is damaged or no safetensors file: {reason}. Copy or download it again."
    )


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is not readable") from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise _damaged(path, "its header is not a table of tensors")
    return content


def _check_offsets(path: Path, tensors: Mapping[str, dict[str, Any]], data_bytes: int) -> None:
    end = 0
    try:
        for name, entry in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
            begin, stop = entry["data_offsets"]
            wanted = DTYPE_BYTES.get(entry["dtype"], 0) * math.prod(entry["shape"])
            if begin != end or stop < begin or (wanted and stop - begin != wanted):
                raise _damaged(path, f"tensor {name[:80]!r} does not stand where the header says")
            end = stop
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, "an entry of its header is incomplete") from error
    if end != data_bytes:
        raise _damaged(path, f"it holds {data_bytes} bytes of tensors, its header promises {end}")


def _folded(lora: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    endings = (".lora_A.weight", ".lora_B.weight")
    for key in lora:
        if not key.startswith("transformer.") or not key.endswith(endings):
            raise CheckpointError(
                f"LoRA key {key!r} would not be read by stock loaders. Name the keys "
                "transformer.<module>.lora_A.weight and .lora_B.weight; give alpha as lora_scale."
            )
    return {
        key: (value * scale if key.endswith(endings[1]) else value).detach().cpu().contiguous()
        for key, value in lora.items()
    }


def _digest_of(tensors: Mapping[str, Tensor]) -> str:
    from safetensors.torch import save

    content = save(dict(tensors))
    return hashlib.sha256(content[8 + int.from_bytes(content[:8], "little") :]).hexdigest()


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    from safetensors.torch import save_file

    with replacing(path) as partial:
        save_file(tensors, str(partial), metadata=metadata)
