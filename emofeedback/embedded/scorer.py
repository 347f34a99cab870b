"""Loads the embedded scorer: the shipped model folder, read as any other, and wrapped."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from ..errors import CheckpointError
from ..lvlm.folder import load_folder
from ..lvlm.local import TransformersLvlm
from ..reading.scorer import LvlmScorer
from ..records.calibration import Calibration
from .clip import similarity
from .foreign import ForeignAware, load_detector
from .weights import FOLDER

NAME = "embedded"
MODEL = "drawn_lvlm"
FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "preprocessor_config.json",
    "emofeedback.json",
)


@lru_cache(maxsize=2)
def load_lvlm(folder: Path = FOLDER / MODEL) -> TransformersLvlm:
    """The model in a folder, on the CPU in float32; loaded once.

    Raises: CheckpointError: files are missing or damaged. MissingDependencyError: no transformers.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"The embedded vision-language model in {folder} lacks {', '.join(missing)}. "
            "Restore the package's files, or make them with "
            "`python -m training.world train lvlm --export`."
        )
    try:
        with torch.inference_mode(False):  # weights made in inference mode could not be trained
            lvlm = load_folder(folder, dtype=torch.float32)
    except CheckpointError as error:
        raise CheckpointError(
            f"The embedded vision-language model in {folder} cannot be read "
            f"({str(error.__cause__)[:200]}). A file is damaged: restore the package's files."
        ) from error
    lvlm.name = NAME
    return lvlm


def embedded_scorer(calibration: Calibration | None = None) -> ForeignAware:
    """The shipped scorer with a calibration of its readings.

    Raises: as `load_lvlm`.
    """
    plain = LvlmScorer(load_lvlm(), calibration=calibration)
    return ForeignAware(plain, load_detector(), content=similarity)


@lru_cache(maxsize=1)
def load_scorer() -> ForeignAware:
    """The shipped scorer, loaded once.

    Raises: as `load_lvlm`.
    """
    return embedded_scorer()
