"""ComfyUI's CLIP_VISION as a picture encoder: handed in by a node, or read from its file.

The model is ComfyUI's own and so is the way to its input; from the command line ComfyUI is looked
for where COMFYUI_PATH says, and nowhere else.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, MissingDependencyError
from .encoders import Encoder, file_digest
from .preprocessing import Preprocessing

KIND = "clip_vision"
PLACE = "COMFYUI_PATH"


def clip_vision_encoder(model: Any, name: str, digest: str = "") -> Encoder:
    """A loaded CLIP_VISION; ComfyUI brings it to its device for every batch.

    Args:
        digest: SHA-256 of its file, where that is known.
    """
    prepared = Preprocessing(
        int(model.image_size),
        int(model.image_size),
        tuple(map(float, model.image_mean)),
        tuple(map(float, model.image_std)),
    )

    model.model.requires_grad_(False)

    def features(images: Tensor) -> Tensor:
        # the whole picture is squeezed into the square, as for every other encoder
        found: Tensor = model.encode_image(images, crop=False)["image_embeds"].float()
        return found.mean(1) if found.ndim == 3 else found  # SigLIP's come for every patch

    return Encoder(KIND, name, digest, {}, prepared, features)


def open_clip_vision(path: Path) -> Encoder:
    """The encoder of a file in ComfyUI's models/clip_vision.

    Raises: MissingDependencyError: no ComfyUI. CheckpointError: ComfyUI cannot read the file.
    """
    load = _comfyui("comfy.clip_vision").load
    if path.suffix != ".safetensors" or not path.is_file():
        raise CheckpointError(f"There is no CLIP_VISION file (.safetensors) at {path}.")
    try:
        model = load(str(path))
    except Exception as error:  # ComfyUI's reader raises what it meets
        raise CheckpointError(f"ComfyUI cannot read {path} ({str(error)[:200]}).") from error
    if model is None:
        raise CheckpointError(f"ComfyUI knows no picture encoder like that in {path}.")
    return clip_vision_encoder(model, path.name, file_digest([path]))


def _comfyui(module: str) -> Any:
    tree = Path(os.environ.get(PLACE, ""))
    if "comfy" not in sys.modules:
        if not os.environ.get(PLACE) or not (tree / "comfy").is_dir():
            raise MissingDependencyError(
                f"A clip_vision encoder is read by ComfyUI, and {PLACE} is "
                f"{os.environ.get(PLACE, '')!r}. Set it to ComfyUI's folder, the one with main.py."
            )
        sys.path.append(str(tree))
    try:
        if not torch.accelerator.is_available():
            importlib.import_module("comfy.cli_args").args.cpu = True
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"ComfyUI in {tree} cannot be used ({error}). Install its requirements."
        ) from error
