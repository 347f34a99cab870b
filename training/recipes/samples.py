"""Contact sheets of a run's pictures."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from emofeedback.records.files import replacing

from .files import to_uint8


def save_grid(path: Path, pictures: Tensor, *, columns: int) -> Path:
    """Write pictures [B, H, W, 3] (0..1) as one PNG, row by row; B must fill the rows."""
    from PIL import Image

    count, height, width, channels = pictures.shape
    rows = pictures.reshape(count // columns, columns, height, width, channels)
    sheet = rows.permute(0, 2, 1, 3, 4).reshape(-1, columns * width, channels)
    with replacing(path) as partial:
        Image.fromarray(to_uint8(sheet).numpy()).save(partial, format="PNG")
    return path
