"""Pictures and their readings, which must have come together."""

from __future__ import annotations

from collections.abc import Sized

from torch import Tensor

from ...emofeedback.errors import ConfigError
from ...emofeedback.images import check_images
from .names import SCORE_EMOTION


def read_pictures(images: Tensor, readings: Sized) -> Tensor:
    """The pictures [B, H, W, 3], checked, of which `readings` has one each.

    Raises: ImageError: unusable pictures. ConfigError: another number of readings.
    """
    images = check_images(images)
    if len(images) != len(readings):
        raise ConfigError(
            f"{len(images)} images came with {len(readings)} readings. Connect the same "
            f"images here and to the {SCORE_EMOTION} node that made the readings."
        )
    return images
