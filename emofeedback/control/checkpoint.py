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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..records.files import parsed, replacing
from ..records.weights import damaged, read_file, read_header, tensor_digest
from .adapter import EmotionAdapter

FORMAT_VERSION = "1"
KIND = "emofeedback-emotion"
SCALE = "[-3, 3]"
MAX_ADAPTER_BYTES = 512 * 2**20
MAX_METADATA = 2**16
MAX_WIDTH = 2**16
LORA_KEYS = {
    "transformer.": (".lora_A.weight", ".lora_B.weight"),
    "lora_unet_": (".lora_down.weight", ".lora_up.weight"),
}
"""Beginnings of the keys that stock loaders read, and the endings of both halves."""
WIDTHS = {"context_width", "pooled_width", "hidden"}
EDITIONS = {"drawn": "2"}
"""Families whose weights were made anew, and which edition checkpoints are trained on today."""


def outdated(family: str, edition: str) -> str:
    """What to say of what was trained on an edition of a family's weights; nothing of today's."""
    if edition == EDITIONS.get(family, ""):
        return ""
    return (
        f"was trained on earlier weights of the family {family!r}, which have been made anew "
        "since: what it does to today's was never measured. Train it again."
    )


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
    base_edition: str | None = None
    """Of a family in `EDITIONS`: the earlier weights that it was trained with, "" for the first;
    None: today's."""
    network: str = ""
    """Folder beside the checkpoint with the network that was trained with it; empty: the base's,
    with the LoRA where there is one."""

    @property
    def outdated(self) -> str:
        """A sentence if the weights that the checkpoint was trained with were made anew since."""
        return "" if self.base_edition is None else outdated(self.base_family, self.base_edition)

    def metadata(self) -> dict[str, str]:
        """The facts as safetensors metadata."""
        named = {"network": self.network} if self.network else {}
        return named | {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "scale": SCALE,
            "base_family": self.base_family,
            "base_edition": EDITIONS.get(self.base_family, "")
            if self.base_edition is None
            else self.base_edition,
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
        lora: keys as in `LORA_KEYS`, no alpha.
        lora_scale: alpha / rank of that LoRA; folded into the second half.
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
    header = read_header(path, max_bytes=MAX_ADAPTER_BYTES)
    metadata = header.metadata
    check_kind(path, metadata)
    if "adapter" not in metadata:
        raise CheckpointError(
            f"{path} is the LoRA half of an emotion checkpoint. Give the file that ends in "
            "_emotion.safetensors here, and load this one with a LoRA loader."
        )
    widths = _table(path, metadata, "adapter")
    if set(widths) != WIDTHS or not all(
        type(width) is int and (name == "pooled_width" or width > 0) and 0 <= width <= MAX_WIDTH
        for name, width in widths.items()
    ):
        raise damaged(path, f"it describes its adapter as {metadata['adapter'][:120]!r}")
    with torch.device("meta"):  # shapes alone: memory is taken after they were compared
        adapter = EmotionAdapter(**widths)
    promised = {key: list(value.shape) for key, value in adapter.state_dict().items()}
    shapes = {key: entry["shape"] for key, entry in header.tensors.items()}
    wrong = sorted(k for k in promised.keys() | shapes if promised.get(k) != shapes.get(k))
    if wrong:
        raise damaged(path, f"its tensor {wrong[0][:80]!r} does not fit its own description")
    tensors, _ = read_file(path, max_bytes=MAX_ADAPTER_BYTES)
    adapter.load_state_dict({key: value.float() for key, value in tensors.items()}, assign=True)
    if not all(bool(value.isfinite().all()) for value in adapter.state_dict().values()):
        raise damaged(path, "it holds numbers that are not finite")
    return adapter.eval()


def read_facts(path: Path) -> EmotionFacts:
    """What an emotion checkpoint (either half) says about itself."""
    path = Path(path)
    metadata = read_header(path).metadata
    check_kind(path, metadata)
    evaluation = _table(path, metadata, "evaluation")
    if not all(type(number) in (int, float) for number in evaluation.values()):
        raise damaged(path, "its evaluation holds something else than numbers")
    family, edition = (metadata.get(name, "") for name in ("base_family", "base_edition"))
    return EmotionFacts(
        base_family=family,
        trained=metadata.get("trained", ""),
        config_hash=metadata.get("config_hash", ""),
        evaluation=evaluation,
        base_edition=edition if outdated(family, edition) else None,
        network=metadata.get("network", ""),
    )


def find_partner(path: Path, *, among: Iterable[Path] | None = None) -> Path | None:
    """The other half of an emotion checkpoint, recognised by its tensor data.

    Args:
        among: files that may be it; default: those beside the file.
    """
    path = Path(path)
    metadata = read_header(path).metadata
    wanted = metadata.get("lora_sha256") or metadata.get("emotion_sha256")
    if wanted is None:
        return None
    stem = path.stem.rsplit("_", 1)[0]
    files = path.parent.glob("*.safetensors") if among is None else among
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


def _table(path: Path, metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    """A JSON table of a file's metadata; empty where it has none.

    Raises: CheckpointError: something else, or too long.
    """
    text = metadata.get(name, "{}")
    try:
        content = parsed(text) if len(text) <= MAX_METADATA else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise damaged(path, f"its {name} is {text[:60]!r}, no table")
    return content


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


def _folded(lora: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    for key in lora:
        if not any(key.startswith(first) and key.endswith(e) for first, e in LORA_KEYS.items()):
            raise CheckpointError(
                f"LoRA key {key!r} would not be read by stock loaders. Name the keys "
                "transformer.<module>.lora_A.weight and .lora_B.weight; give alpha as lora_scale."
            )
    second = tuple(endings[1] for endings in LORA_KEYS.values())
    return {
        key: (value * scale if key.endswith(second) else value).detach().cpu().contiguous()
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
