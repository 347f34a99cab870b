"""Pictures of the drawn world, shipped so that heads for photographs know them as strangers."""

from __future__ import annotations

from torch import Tensor

from ..images import load_picture
from .weights import weight_path

FILE = "drawn_examples.jpg"
SIDE, COLUMNS, ROWS = 192, 8, 6


def drawn_examples() -> Tensor:
    """[48, 192, 192, 3] in 0..1, by lot over the whole world.

    Made by `python -m training.world sheet emofeedback/embedded/weights/drawn_examples.jpg
    --examples`. Raises: CheckpointError: missing. ImageError: damaged.
    """
    sheet = load_picture(weight_path(FILE), side=SIDE * max(COLUMNS, ROWS))[0]
    tiles = sheet.unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE)
    return tiles.flatten(0, 1).movedim(1, -1)
