"""Latents as tokens of squares of two cells, as FLUX and Qwen-Image have them."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def packed(latents: Tensor) -> Tensor:
    """[B, C, H, W] -> tokens [B, H W / 4, 4 C] of squares of two cells."""
    batch, channels, height, width = latents.shape
    squares = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return squares.permute(0, 2, 4, 1, 3, 5).reshape(batch, height * width // 4, 4 * channels)


def unpacked(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `packed`."""
    batch, _, channels = tokens.shape
    squares: Any = tokens.reshape(batch, height // 2, width // 2, channels // 4, 2, 2)
    result: Tensor = squares.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels // 4, height, width)
    return result
