"""Features of rated pictures, computed once: kept beside the head, taken up again after a stop."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..images import load_picture
from ..records.files import replacing
from ..records.weights import read_file
from .encoders import Encoder
from .rated import RatedPicture

log = logging.getLogger(__name__)
SAVE_EVERY = 64
Progress = Callable[[int, int], None]


def picture_features(
    encoder: Encoder, pictures: Sequence[RatedPicture], kept: Path, progress: Progress
) -> Tensor:
    """[N, F] of an encoder; `kept` holds what is known of each picture by its content's stamp.

    Raises: ImageError: a picture cannot be opened.
    """
    known = _read(kept, encoder)
    rows: list[Tensor] = []
    new = 0
    for number, picture in enumerate(pictures, 1):
        key = _stamp(picture.path)
        if key not in known:
            with torch.inference_mode():
                known[key] = encoder.features(load_picture(picture.path))[0].cpu()
            new += 1
            if new % SAVE_EVERY == 0:
                _write(kept, encoder, known)
        rows.append(known[key])
        progress(number, len(pictures))
    if new:
        _write(kept, encoder, known)
    return torch.stack(rows)


def _stamp(path: Path) -> str:
    about = path.stat()
    told = f"{path.resolve()} {about.st_size} {about.st_mtime_ns}"
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _read(kept: Path, encoder: Encoder) -> dict[str, Tensor]:
    if not kept.is_file():
        return {}
    try:
        tensors, metadata = read_file(kept)
    except CheckpointError as error:
        log.warning("The kept features are read anew: %s", error)
        return {}
    return tensors if metadata.get("encoder") == _told(encoder) else {}


def _write(kept: Path, encoder: Encoder, known: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    with replacing(kept) as partial:
        save_file(known, str(partial), metadata={"encoder": _told(encoder)})


def _told(encoder: Encoder) -> str:
    return json.dumps(encoder.as_dict(), sort_keys=True)
