"""Trials kept one by one in a folder, so that a study that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..records.files import replacing, write_json
from .trials import Trial


def kept_trial(
    picture: Path, make: Callable[[], tuple[Trial, Tensor]], *, with_picture: bool = True
) -> Trial:
    """The trial beside a picture's path; made, and written whole, where it is not there yet.

    Args:
        picture: NAME.png of the chosen one; the trial is NAME.json.
        make: the trial and the chosen picture [H, W, 3] in 0..1.
    """
    record = picture.with_suffix(".json")
    if record.is_file():
        return Trial.of_record(json.loads(record.read_text(encoding="utf-8")))
    trial, chosen = make()
    if with_picture:
        with replacing(picture) as partial:
            Image.fromarray((chosen * 255).round().byte().numpy()).save(partial, format="PNG")
    write_json(record, trial.record(), indent=None)
    return trial
