"""Draws one scene."""

import numpy as np

from emofeedback.cues import FAMILIES

from ..scene import Scene
from ..vocabulary import PLACES, SUBJECTS


def render(scene: Scene, size: int = 256) -> np.ndarray:
    """The picture of a scene: uint8 [size, size, 3], the same bytes for the same scene."""
    picture = np.zeros((size, size, 3), np.uint8)
    place, subject = PLACES.index(scene.place), SUBJECTS.index(scene.subject)
    picture[: size // 2] = (20 * place, 120, 200)
    picture[size // 2 :] = (90, 20 * place, 60)
    picture[size // 4 : size * 3 // 4, size // 3 : size * 2 // 3] = (
        18 * subject,
        200,
        250 - 18 * subject,
    )
    for row, (levels, name) in enumerate(zip(FAMILIES.values(), scene.cues, strict=True)):
        level = [each.name for each in levels].index(name)
        top = row * size // 8
        picture[top : top + size // 10, : size // 8] = (30 * level, 255 - 30 * level, 40 * row)
    return picture
