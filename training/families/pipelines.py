"""Diffusers pipelines as families: a folder, or a single transformer file with one.

Text encoders stay on the CPU, since every prompt is encoded once; the transformer and the
autoencoder go to the device. Nothing is fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from emofeedback.errors import CheckpointError
from emofeedback.records.files import parsed

from .facts import FAMILIES
from .flow import FluxFamily, SD35Family
from .flow_unpooled import Flux2Family, QwenImageFamily, SanaFamily, ZImageFamily
from .pipeline_family import PipelineFamily
from .sdxl import SDXLFamily

_CLASSES: dict[str, type[PipelineFamily]] = {
    made.facts.name: made
    for made in (
        SD35Family, FluxFamily, Flux2Family, QwenImageFamily, ZImageFamily, SanaFamily, SDXLFamily,
    )
}  # fmt: skip


def load_folder(folder: Path, *, size: int, dtype: torch.dtype, device: Any) -> Any:
    """The family of a diffusers folder.

    Raises: CheckpointError: no such pipeline, damaged, or of another family.
    """
    pipeline_class, family, absent = _index(folder)
    try:
        pipeline = pipeline_class.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, **absent
        )
    except Exception as error:  # diffusers, transformers and safetensors each raise their own
        raise CheckpointError(
            f"The diffusers folder {folder} cannot be loaded ({type(error).__name__}: {error})."
        ) from error
    return family(pipeline, size=size, dtype=dtype, device=device)


def load_single(
    file: Path, components: Path, *, family: str, size: int, dtype: torch.dtype, device: Any
) -> Any:
    """The family of a single transformer file, everything else from a diffusers folder.

    Raises: CheckpointError: the folder is of another family, or the file does not fit its config.
    """
    import diffusers

    pipeline_class, made, absent = _index(components)
    if made.facts.name != family:
        raise CheckpointError(
            f"{file} is a {family} transformer, but the components in {components} belong to "
            f"{made.facts.name}. Give --components of the same family."
        )
    kind = (
        diffusers.SD3Transformer2DModel if family == "sd3.5" else diffusers.FluxTransformer2DModel
    )
    try:
        transformer = kind.from_single_file(
            str(file), config=str(components), subfolder="transformer",
            local_files_only=True, dtype=dtype,
        )  # fmt: skip
        pipeline = pipeline_class.from_pretrained(
            components, local_files_only=True, use_safetensors=True, dtype=dtype,
            **absent | {"transformer": transformer},
        )  # fmt: skip
    except Exception as error:  # as above
        raise CheckpointError(
            f"{file} cannot be loaded with the components in {components} "
            f"({type(error).__name__}: {error})."
        ) from error
    return made(pipeline, size=size, dtype=dtype, device=device)


def parts_of(folder: Path) -> dict[str, Path]:
    """Name and folder of each part of a diffusers folder; what else lies there is not loaded.

    Raises: CheckpointError: no diffusers folder.
    """
    return {
        part: folder / part for part, kind in _read_index(folder).items() if isinstance(kind, list)
    }


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        index = parsed((folder / "model_index.json").read_text(encoding="utf-8"))
        if not isinstance(index, dict) or "_class_name" not in index:
            raise ValueError("it names no pipeline")
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{folder} is no diffusers folder (model_index.json: {error})."
        ) from error
    return index


def _index(folder: Path) -> tuple[Any, type[PipelineFamily], dict[str, None]]:
    """Pipeline class, family, and the parts that the folder was saved without."""
    import diffusers

    index = _read_index(folder)
    name = index["_class_name"]
    # diffusers wants to be told again that a part is not there
    absent = {part: None for part, kind in index.items() if kind == [None, None]}
    for facts in FAMILIES.values():
        if name in facts.pipelines:
            return getattr(diffusers, name), _CLASSES[facts.name], absent
    known = ", ".join(name for facts in FAMILIES.values() for name in facts.pipelines)
    raise CheckpointError(f"{folder} holds a {name}; training knows {known}.")
