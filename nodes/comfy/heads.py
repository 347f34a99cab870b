"""Heads on picture encoders: where they and their encoders lie, and who brings them to the GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import comfy.model_management as management
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher

from ...emofeedback.embedded.picture_encoder import EMBEDDED, open_any_encoder
from ...emofeedback.errors import CheckpointError, ConfigError
from ...emofeedback.reading.clip_vision import KIND, clip_vision_encoder
from ...emofeedback.reading.encoders import Encoder, open_folder
from ...emofeedback.reading.head_scorer import HeadScorer, spec_beside, spec_line
from ...emofeedback.reading.heads import load_head
from .folder_lvlm import LvlmModule, placed
from .model_folders import EMOTION, LVLM

HEADS, ENCODERS = "heads", "encoders"


def list_heads() -> list[str]:
    """Names of the files in models/emotion/heads."""
    return sorted({path.name for root in _roots(HEADS) for path in root.glob("*.safetensors")})


def list_encoders() -> list[str]:
    """Names that may be chosen: the embedded one, models/emotion/encoders, models/clip_vision, and
    what sees in the folders of models/lvlm."""
    own = {
        path.name
        for root in _folders()
        for path in root.glob("*")
        if path.suffix == ".onnx" or (path / "config.json").is_file()
    }
    return [
        EMBEDDED,
        *sorted(
            own
            | {
                path
                for path in folder_paths.get_filename_list(KIND)
                if path.endswith(".safetensors")
            }
        ),
    ]


def find_head(name: str) -> Path:
    """The file of a listed head.

    Raises: CheckpointError: it is not there; says where heads are looked for and how to get one.
    """
    for root in _roots(HEADS):
        if name in list_heads() and (root / name).is_file():
            return root / name
    raise CheckpointError(
        f"There is no head {name!r} in {', '.join(map(str, _roots(HEADS)))} (there: "
        f"{', '.join(list_heads()) or 'nothing'}). Fit one on pictures that people rated: "
        "python -m emofeedback fit RATED --encoder ENCODER --out HEAD.safetensors"
    )


def head_scorer(name: str, encoder: str = "", clip_vision: Any = None) -> HeadScorer:
    """A head with its encoders.

    Args:
        encoder: a listed name in the place of the head's only encoder; empty: as the head says.
        clip_vision: a loaded CLIP_VISION, in the place of the head's first encoder of that kind,
            or of its first.
    Raises: CheckpointError, ConfigError, MissingDependencyError.
    """
    path = find_head(name)
    head = load_head(path)
    told = head.facts["encoders"]
    kinds = [one["kind"] for one in told]
    given = -1 if clip_vision is None else kinds.index(KIND) if KIND in kinds else 0
    opened: list[Encoder] = []
    for number, one in enumerate(told):
        if number == given:
            opened.append(clip_vision_encoder(clip_vision, KIND))
        elif encoder and len(told) == 1:
            opened.append(_open(_chosen(encoder, one)))
        else:
            opened.append(_open(spec_beside(one, [path.parent, *_places()])))
    return HeadScorer(opened, head, path.stem)


def _chosen(name: str, told: Mapping[str, Any]) -> str:
    """The line of a listed encoder, with the head's options where it is of the same kind.

    Raises: ConfigError: it is not listed.
    """
    if name == EMBEDDED:
        return EMBEDDED
    if name not in list_encoders():
        raise ConfigError(f"There is no encoder {name!r}. Known: {', '.join(list_encoders())}.")
    path = next(place / name for place in _places() if (place / name).exists())
    kind = "onnx" if path.suffix == ".onnx" else "folder" if path.is_dir() else KIND
    return spec_line(kind, path, told["options"] if kind == told["kind"] else {})


def _open(spec: str) -> Encoder:
    kind, _, where = spec.partition(":")
    return open_folder(Path(where), manage=_managed) if kind == "folder" else open_any_encoder(spec)


def _managed(tower: torch.nn.Module) -> Callable[[], AbstractContextManager[torch.device]]:
    """Core moves the tower to the GPU for a batch and away from it for others."""
    patcher = ModelPatcher(
        LvlmModule(tower),
        load_device=management.text_encoder_device(),
        offload_device=management.text_encoder_offload_device(),
    )
    return lambda: placed(patcher, 0)


def _roots(folder: str) -> list[Path]:
    return [Path(root) / folder for root in folder_paths.get_folder_paths(EMOTION)]


def _places() -> list[Path]:
    return [*_folders(), *map(Path, folder_paths.get_folder_paths(KIND))]


def _folders() -> list[Path]:
    return [*_roots(ENCODERS), *map(Path, folder_paths.get_folder_paths(LVLM))]
