"""A reward against hacking that needs no model: does a picture show what optimisers leave behind?

Rewards are pleased by fine grids, noise and burnt-out colours long before people are. Both are
measured from the pixels alone, and nothing else is: blur, anatomy or taste are not seen here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

LUMINANCE = (0.299, 0.587, 0.114)
LAPLACE = ((1.0, -2.0, 1.0), (-2.0, 4.0, -2.0), (1.0, -2.0, 1.0))
CLEAN_NOISE, FULL_NOISE = 0.02, 0.10
"""Deviation of noise, of 0..1, that costs nothing, and that costs all."""
CLEAN_BURNT, FULL_BURNT = 0.10, 0.50
"""The same of the share of burnt-out values."""
EDGE = 2 / 255
"""A value this near to black or white is burnt out."""


def noise_level(images: Tensor) -> Tensor:
    """Deviation of noise in the luminance of pictures [B, H, W, 3]: [B].

    Source: Immerkaer, "Fast Noise Variance Estimation" (1996): the mean size of the difference of
    two Laplacians, which edges and shading leave near 0 and a grid of single pixels makes largest.
    """
    height, width = images.shape[1:3]
    plain = (images * images.new_tensor(LUMINANCE)).sum(-1, keepdim=True).movedim(-1, 1)
    kernel = images.new_tensor(LAPLACE)[None, None]
    found = torch.nn.functional.conv2d(plain, kernel).abs().sum((1, 2, 3))
    return found * (math.sqrt(math.pi / 2) / (6 * (width - 2) * (height - 2)))


def burnt_share(images: Tensor) -> Tensor:
    """Share of the values of pictures [B, H, W, 3] at the ends of the scale: [B]; softened over the
    last steps, so that it has a gradient."""
    ends = torch.minimum(images, 1 - images)
    return (1 - ends / EDGE).clamp(0, 1).flatten(1).mean(1)


def quality(images: Tensor, prompts: Sequence[str]) -> Tensor:
    """1 for pictures [B, H, W, 3] with neither noise nor burnt-out areas, down to 0: [B]."""
    del prompts
    noisy = (noise_level(images) - CLEAN_NOISE) / (FULL_NOISE - CLEAN_NOISE)
    burnt = (burnt_share(images) - CLEAN_BURNT) / (FULL_BURNT - CLEAN_BURNT)
    return (1 - noisy.clamp(0, 1)) * (1 - burnt.clamp(0, 1))
