"""The fixed latent of the drawn world: a block transform with known numbers, nothing learned.

Each 8 x 8 block of a picture becomes 16 numbers: the lowest cosine coefficients, 10 of the
lightness and 3 of each colour difference. An autoencoder learned from scratch needs long to find a
latent as good as this; a decoder that is given it learns in minutes, and the generator need not
wait for it.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

BLOCK = 8
LIGHTNESS_TERMS, COLOUR_TERMS = 10, 3
# Spread of each coefficient over drawn pictures (-1..1), rounded: see `measure_spread`.
SPREAD = (3.7, 0.6, 0.62, 0.36, 0.32, 0.38, 0.23, 0.23, 0.24, 0.27) + (1.4, 0.23, 0.24) * 2
FLATTENING = 0.6
"""Power of the spread divided out: 1 would make fine detail as loud as the layout, 0 drown it."""
GAIN = 1.15
"""Brings the root mean square over all channels to about 1."""
YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


def _order(terms: int) -> list[tuple[int, int]]:
    """Vertical and horizontal frequencies of the lowest terms, slowest first."""
    pairs = [(i, j) for i in range(BLOCK) for j in range(BLOCK)]
    return sorted(pairs, key=lambda pair: (sum(pair), pair))[:terms]


def _wave(vertical: int, horizontal: int) -> np.ndarray:
    """Orthonormal cosine pattern of a block: [8, 8]."""
    places = (np.arange(BLOCK) + 0.5) * math.pi / BLOCK

    def line(frequency: int) -> np.ndarray:
        size = math.sqrt((1 if frequency == 0 else 2) / BLOCK)
        return size * np.cos(places * frequency)

    return np.outer(line(vertical), line(horizontal))


@functools.cache
def patterns() -> Tensor:
    """[16, 3, 8, 8]: the coefficient of channel c is the sum of pattern c times the RGB block."""
    rows = [
        np.multiply.outer(np.asarray(YCBCR[plane]), _wave(*pair))
        for plane, terms in enumerate((LIGHTNESS_TERMS, COLOUR_TERMS, COLOUR_TERMS))
        for pair in _order(terms)
    ]
    return torch.from_numpy(np.stack(rows)).float()


@functools.cache
def _scale() -> Tensor:
    return GAIN / torch.tensor(SPREAD).pow(FLATTENING)


def scaled_patterns() -> Tensor:
    """[16, 3, 8, 8]: what `encode_fixed` multiplies the blocks of pixels in -1..1 with."""
    return patterns() * _scale()[:, None, None, None]


def encode_fixed(pictures: np.ndarray | Tensor) -> Tensor:
    """Pictures [B, H, W, 3], bytes or 0..1, sides multiples of 8 -> latents [B, 16, H/8, W/8]."""
    pixels = torch.from_numpy(np.array(pictures)) if isinstance(pictures, np.ndarray) else pictures
    pixels = pixels.float() / 127.5 - 1 if pixels.dtype == torch.uint8 else pixels.float() * 2 - 1
    coefficients = torch.nn.functional.conv2d(pixels.movedim(-1, 1), patterns(), stride=BLOCK)
    return coefficients * _scale()[:, None, None]


def decode_fixed(latents: Tensor) -> Tensor:
    """Pictures [B, H, W, 3] in 0..1 from latents, without the coefficients that were dropped."""
    from_ycbcr = torch.linalg.inv(torch.tensor(YCBCR))
    coefficients = latents / _scale()[:, None, None]
    planes = []
    start = 0
    for terms in (LIGHTNESS_TERMS, COLOUR_TERMS, COLOUR_TERMS):
        waves = torch.from_numpy(np.stack([_wave(*pair) for pair in _order(terms)])).float()
        part = coefficients[:, start : start + terms]
        planes.append(torch.nn.functional.conv_transpose2d(part, waves[:, None], stride=BLOCK))
        start += terms
    ycbcr = torch.cat(planes, dim=1).movedim(1, -1)
    result: Tensor = ((ycbcr @ from_ycbcr.T + 1) / 2).clamp(0, 1)
    return result


def preview_colours(latents: Tensor, pictures: Tensor) -> tuple[list[list[float]], list[float]]:
    """Least-squares colours of the channels: factors [16][3] and bias [3] for previews in -1..1.

    Args:
        latents: [B, 16, h, w].
        pictures: [B, 8 h, 8 w, 3] in 0..1.
    """
    small = torch.nn.functional.avg_pool2d(pictures.movedim(-1, 1) * 2 - 1, BLOCK)
    inputs = latents.movedim(1, -1).reshape(-1, latents.shape[1])
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    answer = torch.linalg.lstsq(inputs, small.movedim(1, -1).reshape(-1, 3)).solution
    return answer[:-1].tolist(), answer[-1].tolist()


def measure_spread(pictures: np.ndarray) -> list[float]:
    """Spread of the raw coefficients over pictures: the numbers at the top of this file."""
    raw = encode_fixed(pictures) / _scale()[:, None, None]
    return raw.std(dim=(0, 2, 3)).tolist()
