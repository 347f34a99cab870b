"""What a model folder promises against what its weight files hold, before memory is taken.

transformers makes every weight that the settings name and no file holds, so that settings of a few
bytes could ask for any amount of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from ..records.files import parsed
from ..records.weights import read_header

MOST_LAYERS = 1000
LARGE = 2**30
"""Bytes of weights on disk; a folder with more takes as much memory anyway, and is not checked."""
SLACK = 2**26
"""Weights that no file needs to hold, say those tied to others."""


def refuse_empty_promises(folder: Path) -> None:
    """Raises: CheckpointError: settings that name far more weights than the files hold."""
    path = folder / "config.json"
    try:
        settings = parsed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({type(error).__name__}: {str(error)[:100]}). Copy or download "
            "the model again."
        ) from error
    for name, value in _numbers(settings):
        if ("layers" in name or name == "depth") and value > MOST_LAYERS:
            raise CheckpointError(
                f"{path} asks for {name} = {value}; no model has over {MOST_LAYERS}. Download it "
                "again."
            )
    files = sorted(folder.glob("*.safetensors"))
    held = sum(file.stat().st_size for file in files)
    if not files or held > LARGE:
        return
    for file in files:
        read_header(file)
    promised = _promised(folder)
    packed = isinstance(settings, dict) and "quantization_config" in settings
    if promised * (0.5 if packed else 1) > 1.2 * held + SLACK:  # at least 4 or 8 bits a weight
        raise CheckpointError(
            f"{path} describes a model of {promised / 1e6:.0f} million weights, but the files in "
            f"{folder} hold {held / 1e6:.1f} MB. Copy or download the model again."
        )


def _promised(folder: Path) -> int:
    """Weights that the settings describe, told without making them; 0 where that fails.

    What cannot be told so cannot be loaded either, and loading says why.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

    for kind in (AutoModelForImageTextToText, AutoModel):
        try:
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            with torch.device("meta"):
                model: Any = kind.from_config(config, trust_remote_code=False)
        except Exception:  # noqa: BLE001, S112  each model raises its own
            continue
        return sum(weight.numel() for weight in model.parameters())
    return 0


def _numbers(value: Any) -> Iterator[tuple[str, int]]:
    """Names and whole numbers anywhere in settings."""
    pending = [("", value)]
    while pending:
        name, each = pending.pop()
        if isinstance(each, dict):
            pending += [(str(key), inner) for key, inner in each.items()]
        elif isinstance(each, list):
            pending += [(name, inner) for inner in each]
        elif type(each) is int:
            yield name, each
