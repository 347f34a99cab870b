"""Picture encoders that people already have: a transformers folder, an ONNX file, several joined.

Named in one line: `folder:PATH`, `onnx:FILE?tensor=pooled&colours=caffe&bgr=1&resize=256`. Code
beside the weights is never run, pickles are never read, nothing is downloaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import torch
from torch import Tensor

from ..errors import ConfigError
from .onnx_file import OnnxNetwork
from .preprocessing import COLOURS, Preprocessing
from .vision_towers import Place, read_tower, tower_features

BATCH = 32
HOW_TO_NAME = (
    "Write embedded, folder:PATH (transformers; of a language model, what sees in it), "
    "onnx:FILE?tensor=pooled or clip_vision:FILE (read by the ComfyUI in COMFYUI_PATH); give "
    "several to join them."
)


@dataclass(frozen=True)
class Encoder:
    """A frozen network that turns pictures into features.

    Args:
        kind: "folder", "onnx", "embedded" or "clip_vision".
        name: of its file or folder, without the path.
        digest: SHA-256 of its weights; empty where they cannot be told apart.
        options: what was asked of it beside its name.
        preprocessing: of its input.
        features: pictures [B, H, W, 3] in 0..1 -> [B, F] float32.
    """

    kind: str
    name: str
    digest: str
    options: Mapping[str, str]
    preprocessing: Preprocessing
    features: Callable[[Tensor], Tensor]

    def as_dict(self) -> dict[str, Any]:
        """What a head's file says of it; no path of anybody's disk."""
        return {
            "kind": self.kind,
            "name": self.name,
            "digest": self.digest,
            "options": dict(self.options),
            "preprocessing": self.preprocessing.as_dict(),
        }


def open_encoder(spec: str) -> Encoder:
    """The encoder that one line names.

    Raises: ConfigError: no such kind or option. CheckpointError: it cannot be loaded.
        MissingDependencyError: onnxruntime or transformers is missing.
    """
    place, _, query = spec.partition("?")
    kind, _, where = place.partition(":")
    options = dict(parse_qsl(query))
    if kind == "onnx" and where:
        return open_onnx(Path(where), options)
    if kind == "folder" and where and not options:
        return open_folder(Path(where))
    raise ConfigError(f"The encoder is {spec!r}. {HOW_TO_NAME}")


def open_onnx(path: Path, options: Mapping[str, str]) -> Encoder:
    """An ONNX file with the options tensor, colours, bgr, side and resize.

    Raises: as `open_encoder`.
    """
    known = {"tensor", "colours", "bgr", "side", "resize"}
    if set(options) - known:
        raise ConfigError(f"Options of an ONNX encoder are {', '.join(sorted(known))}.")
    colours = options.get("colours", "imagenet")
    try:
        side = int(options.get("side", 224))
        resize, bgr = int(options.get("resize", side)), bool(int(options.get("bgr", 0)))
        mean, std = COLOURS[colours]
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"side and resize are pixels, bgr 0 or 1, colours one of "
            f"{', '.join(COLOURS)} ({error})."
        ) from error
    if not 8 <= side <= resize <= 4096:
        raise ConfigError(f"side is {side} and resize {resize}; write 8 <= side <= resize <= 4096.")
    prepared = Preprocessing(side, resize, mean, std, bgr)
    network = OnnxNetwork(path, options.get("tensor", ""), prepared)
    return Encoder("onnx", path.name, file_digest([path]), options, prepared, network.features)


def open_folder(folder: Path, *, manage: Callable[[Any], Place] | None = None) -> Encoder:
    """What sees in a transformers folder: CLIP, SigLIP, DINOv2, or a vision-language model's tower.

    Args:
        manage: who brings the tower to its device; by default it stays where it is.
    Raises: as `open_encoder`.
    """
    seeing = read_tower(folder)
    place = manage(seeing.tower) if manage is not None else None
    return Encoder(
        "folder",
        folder.name,
        file_digest(sorted(folder.glob("*.safetensors"))),
        {},
        seeing.preprocessing,
        tower_features(seeing, place),
    )


def encode(encoders: Sequence[Encoder], images: Tensor) -> list[Tensor]:
    """Features of each encoder, [B, F_i] on the pictures' device."""
    return [
        torch.cat([encoder.features(part) for part in images.split(BATCH)]).to(images.device)
        for encoder in encoders
    ]


def file_digest(paths: Sequence[Path]) -> str:
    """SHA-256 of files, one after the other."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                total.update(chunk)
    return total.hexdigest()
