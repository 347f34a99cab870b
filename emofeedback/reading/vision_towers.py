"""What sees in a transformers folder: a picture encoder, or the vision tower of a language model.

Towers of the Qwen kind take patches that were cut beforehand, at any size; all pictures are one
square to them here. The language model is let go as soon as its tower is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, MissingDependencyError
from ..lvlm.folder import refuse_redirections
from ..lvlm.patches import embed_whole_patches
from ..lvlm.pictures import cut_patches
from ..lvlm.promises import refuse_empty_promises
from ..records.files import parsed
from .preprocessing import Preprocessing, folder_preprocessing

Place = Callable[[], AbstractContextManager[torch.device]]
SQUARE = 448
"""Side that towers without a size of their own are shown, in pixels, within what they allow."""
LEAST, MOST = 56 * 56, 28 * 28 * 1280
"""Pixels of a picture that such a tower takes where its folder does not say."""


@dataclass(frozen=True)
class Seeing:
    """What turns pictures into features.

    Args:
        tower: a frozen module of transformers.
        projection: behind its pooled output, where it has one.
        cut: patch, merge and frames, where the tower takes patches.
    """

    tower: Any
    preprocessing: Preprocessing
    projection: Any = None
    cut: tuple[int, int, int] | None = None


def read_tower(folder: Path) -> Seeing:
    """What sees in a folder, in float32 on the CPU.

    Raises: CheckpointError: no model, damaged, or none that sees squares of one size.
        MissingDependencyError: transformers is missing.
    """
    try:
        from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as TALKING,
        )
    except ImportError as error:
        raise MissingDependencyError(
            f"An encoder folder needs transformers ({error}). Run: pip install transformers"
        ) from error
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise CheckpointError(
            f"There is no picture encoder in {folder} (config.json or *.safetensors is missing)."
        )
    refuse_redirections(folder)
    refuse_empty_promises(folder)
    ours = {"local_files_only": True, "trust_remote_code": False}
    try:
        talks = AutoConfig.from_pretrained(folder, **ours).model_type in TALKING
        # a language model is several times what is kept of it: not widened before it is let go
        model, told = (AutoModelForImageTextToText if talks else AutoModel).from_pretrained(
            folder,
            use_safetensors=True,
            dtype="auto" if talks else torch.float32,
            output_loading_info=True,
            **ours,
        )
    except Exception as error:  # transformers and safetensors each raise their own
        text = str(error).splitlines()[0] if str(error) else ""
        raise CheckpointError(
            f"{folder} holds no model that transformers can load ({type(error).__name__}: "
            f"{text[:200]})."
        ) from error
    tower, projection = _tower(model), getattr(model, "visual_projection", None)
    parts = [name for name, part in model.named_modules() if part is tower or part is projection]
    missing = [
        key
        for key in told["missing_keys"]
        if any(not name or key.startswith(f"{name}.") for name in parts)
    ]
    if missing:
        raise CheckpointError(
            f"The files in {folder} lack weights of what sees: {', '.join(sorted(missing)[:3])}. "
            "Copy or download the model again."
        )
    return _described(folder, model.config.model_type, tower.float(), projection)


def tower_features(seeing: Seeing, place: Place | None = None) -> Callable[[Tensor], Tensor]:
    """Features by a torch tower: its pooled output, projected where it has a projection.

    Differentiable in the pictures; weights stay frozen.
    """
    tower, projection = seeing.tower, seeing.projection
    tower.eval().requires_grad_(False)
    if projection is not None:
        projection.requires_grad_(False)

    def features(images: Tensor) -> Tensor:
        here = next(tower.parameters()).device
        with place() if place is not None else nullcontext(here) as device:
            pixels = seeing.preprocessing.apply(images.to(device))
            if seeing.cut is None:
                found = tower(pixel_values=pixels)
            else:
                found = tower(*cut_patches(pixels, *seeing.cut))
            pooled = _pooled(found, len(images))
            if projection is not None:
                pooled = projection.to(pooled.device)(pooled)
            return pooled.float().flatten(1)

    return features


def _tower(model: Any) -> Any:
    """The part of a model that sees; the model itself where it only sees."""
    for holder in (model, getattr(model, "model", None)):
        for name in ("vision_model", "vision_tower", "visual"):
            found = getattr(holder, name, None)
            if found is not None:
                return found
    return model


def _described(folder: Path, kind: str, tower: Any, projection: Any) -> Seeing:
    config = tower.config
    merge, frames, patch, side = (
        getattr(config, name, None)
        for name in ("spatial_merge_size", "temporal_patch_size", "patch_size", "image_size")
    )
    if isinstance(merge, int) and isinstance(frames, int) and isinstance(patch, int):
        embed_whole_patches(tower)
        prepared = folder_preprocessing(folder, _square(folder, patch * merge))
        return Seeing(tower, prepared, projection, (patch, merge, frames))
    if isinstance(side, (list, tuple)) and len(set(side)) == 1:
        side = side[0]
    if not isinstance(side, int):
        raise CheckpointError(
            f"The model in {folder} ({kind}) has no vision tower that takes squares of one size. "
            "Choose CLIP, SigLIP, DINOv2, a Qwen-VL or another with one."
        )
    # DINOv2's config names the size it was tuned at; its users feed 224
    side = 224 if config.model_type.startswith("dinov2") else side
    return Seeing(tower, folder_preprocessing(folder, side), projection)


def _square(folder: Path, step: int) -> int:
    """Side of the square that a tower for any size is shown: a multiple of `step`."""
    path = folder / "preprocessor_config.json"
    try:
        told = parsed(path.read_text(encoding="utf-8")) if path.is_file() else {}
        size = told.get("size") or {}
        least = int(size.get("shortest_edge", told.get("min_pixels", LEAST)))
        most = int(size.get("longest_edge", told.get("max_pixels", MOST)))
        side = max(min(SQUARE, math.isqrt(most)), math.isqrt(least))
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is no table of an image processor ({error}). Restore it."
        ) from error
    return max(min(side, 4096) // step, 1) * step


def _pooled(found: Any, count: int) -> Tensor:
    """[count, F] of what a tower gave: its own pooling, or the mean over a picture's tokens."""
    pooled = getattr(found, "pooler_output", None)
    if pooled is None:
        pooled = getattr(found, "last_hidden_state", None)
    if pooled is None:  # of transformers 4, a tensor or a tuple that begins with it
        pooled = found[0] if isinstance(found, tuple) else found
    tokens: Tensor = pooled
    if len(tokens) != count or tokens.ndim == 3:
        tokens = tokens.reshape(count, -1, tokens.shape[-1]).mean(1)
    return tokens
