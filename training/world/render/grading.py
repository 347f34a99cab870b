"""Palette: the colour grading of the finished picture, then vignette and paper grain."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Picture = np.ndarray
"""[H, W, 3] float32, about 0 to 1."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def _saturate(picture: Picture, saturation: float, contrast: float = 1.0) -> Picture:
    grey = (picture @ _LUMA)[..., None]
    return ((grey + (picture - grey) * saturation) - 0.5) * contrast + 0.5


def _duotone(picture: Picture, stops: list[str], share: float, contrast: float = 1.0) -> Picture:
    """Replaces `share` of the colour by a ramp over brightness."""
    grey = ((picture @ _LUMA - 0.5) * contrast + 0.5).clip(0, 1)
    ramp = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in stops], np.float32)
    knots = np.linspace(0, 1, len(stops), dtype=np.float32)
    steps = np.linspace(0, 1, 256, dtype=np.float32)
    table = np.stack([np.interp(steps, knots, ramp[:, c]) for c in range(3)], axis=1)
    toned = table.astype(np.float32)[(grey * 255).astype(np.uint8)]
    return picture * (1 - share) + toned * share


def grade(picture: Picture, palette: str) -> Picture:
    """Applies a level of the palette family to a picture [H, W, 3] in [0, 1]."""
    match palette:
        case "vivid":
            return _saturate(picture, 1.9, 1.16) + 0.02
        case "pastel":
            soft = _saturate(picture.clip(0, 1) ** np.float32(0.8), 1.2)
            return soft * 0.68 + np.array([0.32, 0.27, 0.29], np.float32)
        case "grey":
            return _saturate(picture, 0.1, 0.8) * 0.94
        case "cold":
            return _duotone(picture, ["#061236", "#1a4c92", "#5c98d0", "#d0e8fa"], 0.66)
        case "red_black":
            return _duotone(
                picture, ["#000000", "#180002", "#980810", "#f0281a", "#ffa888"], 0.76, 1.25
            )
        case "acid":
            return _duotone(picture, ["#061a06", "#2c6a10", "#9cdc10", "#f4ff70"], 0.66, 1.12)
        case _:
            return picture


@cache
def _paper(size: int) -> Picture:
    """A fixed tile of brush-like noise and vignette, [size, size, 1] around 1; both are mild."""
    rng = np.random.default_rng(20)
    texture = np.zeros((size, size), np.float32)
    for cells, weight in ((8, 0.010), (32, 0.014)):
        coarse = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
        at = np.linspace(0, cells, size, dtype=np.float32)
        low = np.minimum(at.astype(int), cells - 1)
        part = at - low
        rows = coarse[low] * (1 - part)[:, None] + coarse[low + 1] * part[:, None]
        texture += weight * (rows[:, low] * (1 - part) + rows[:, low + 1] * part)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    vignette = 1 - 0.1 * (axis[:, None] ** 2 + axis**2) ** 1.5 / 2.8
    return ((1 + texture) * vignette).astype(np.float32)[..., None]


def finish(pixels: NDArray[np.uint8], palette: str) -> NDArray[np.uint8]:
    """Grades and textures a drawn picture, uint8 [H, W, 3]."""
    picture = grade(pixels.astype(np.float32) / np.float32(255), palette)
    return np.asarray((picture * _paper(len(pixels)) * 255).clip(0, 255).astype(np.uint8))
