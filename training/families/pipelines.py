"""Diffusers pipelines as families: a folder, or a single transformer file with one.

Text encoders are read later (`encoders`) and run on the CPU, since every prompt is encoded once;
the transformer and the autoencoder go to the device. Nothing is fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from emofeedback.errors import CheckpointError
from emofeedback.records.files import parsed

from .encoders import TextEncoders
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


def load_folder(
    folder: Path, *, size: int, dtype: torch.dtype, device: Any, place: Any = None,
    text_tokens: int = 0,
) -> Any:  # fmt: skip
    """The family of a diffusers folder.

    Raises: CheckpointError: no such pipeline, damaged, or of another family.
    """
    pipeline_class, family, absent = _index(folder)
    encoders = TextEncoders(pipeline_class, folder, parts_of(folder), absent, dtype=dtype)
    try:
        pipeline = pipeline_class.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype,
            **absent | dict.fromkeys(encoders.parts),
        )  # fmt: skip
    except Exception as error:  # diffusers, transformers and safetensors each raise their own
        raise CheckpointError(
            f"The diffusers folder {folder} cannot be loaded ({type(error).__name__}: {error})."
        ) from error
    return family(
        pipeline, encoders, size=size, dtype=dtype, device=device, place=place,
        text_tokens=text_tokens,
    )  # fmt: skip


def is_network(folder: Path) -> bool:
    """Whether a folder of diffusers holds a network alone, as full fine-tuning leaves it."""
    return (folder / "config.json").is_file() and not (folder / "model_index.json").is_file()


def load_single(
    file: Path,
    components: Path,
    *,
    family: str,
    size: int,
    dtype: torch.dtype,
    device: Any,
    place: Any = None,
    text_tokens: int = 0,
) -> Any:
    """The family of a single transformer, everything else from a diffusers folder.

    Args:
        file: ComfyUI's, or a folder as full fine-tuning leaves it.
        family: what the file is, by its header; empty: the folder's.
    Raises: CheckpointError: the folder is of another family, or the file does not fit its config.
    """
    import diffusers

    pipeline_class, made, absent = _index(components)
    if family and made.facts.name != family:
        raise CheckpointError(
            f"{file} is a {family} transformer, but the components in {components} belong to "
            f"{made.facts.name}. Give --components of the same family."
        )
    name = _read_index(components)[made.network][1]
    kind = getattr(diffusers, name)
    if not family and (found := _class_of(file)) != name:
        raise CheckpointError(
            f"{file} is a {found}, but the components in {components} go with a {name}. Give "
            "--components of the model that it was trained from."
        )
    encoders = TextEncoders(pipeline_class, components, parts_of(components), absent, dtype=dtype)
    try:
        if family:
            network = kind.from_single_file(
                str(file), config=str(components), subfolder=made.network,
                local_files_only=True, dtype=dtype,
            )  # fmt: skip
        else:
            network = kind.from_pretrained(
                file, local_files_only=True, use_safetensors=True, dtype=dtype
            )
        pipeline = pipeline_class.from_pretrained(
            components, local_files_only=True, use_safetensors=True, dtype=dtype,
            **absent | dict.fromkeys(encoders.parts) | {made.network: network},
        )  # fmt: skip
    except Exception as error:  # as above
        raise CheckpointError(
            f"{file} cannot be loaded with the components in {components} "
            f"({type(error).__name__}: {error})."
        ) from error
    return made(
        pipeline, encoders, size=size, dtype=dtype, device=device, place=place,
        text_tokens=text_tokens,
    )  # fmt: skip


def parts_of(folder: Path) -> dict[str, Path]:
    """Name and folder of each part of a diffusers folder; what else lies there is not loaded.

    Raises: CheckpointError: no diffusers folder.
    """
    return {
        part: folder / part for part, kind in _read_index(folder).items() if isinstance(kind, list)
    }


def _class_of(folder: Path) -> str:
    try:
        return str(parsed((folder / "config.json").read_text(encoding="utf-8"))["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder} is no network of diffusers (config.json: {error!r})."
        ) from error


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
