"""Pictures that are no photographs: noise, ramps and flat shapes, by which a head knows strangers.

Made here from random numbers, so that no head needs anybody's pictures for them.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

SIDE = 256


def outlier_pictures(count: int = 240, *, seed: int = 0) -> Tensor:
    """[count, 256, 256, 3] in 0..1: a third noise, a third ramps with shapes, a third both."""
    rng = np.random.default_rng(seed)
    makers = (_noise, _shapes, _mixed)
    return torch.stack([makers[number % 3](rng) for number in range(count)])


def _noise(rng: np.random.Generator) -> Tensor:
    """Noise of any grain, grey or coloured, hard or soft."""
    grain = int(rng.choice([1, 2, 4, 8, 16, 32, 64]))
    channels = int(rng.choice([1, 3]))
    coarse = torch.from_numpy(rng.random((1, channels, SIDE // grain, SIDE // grain))).float()
    mode = "nearest" if rng.random() < 0.5 else "bilinear"
    fine = F.interpolate(coarse, (SIDE, SIDE), mode=mode)[0].expand(3, -1, -1).movedim(0, -1)
    contrast = rng.uniform(0.2, 1.0)
    return (fine - 0.5) * contrast + 0.5


def _shapes(rng: np.random.Generator) -> Tensor:
    """A ramp between two colours with flat ellipses, polygons and lines over it."""
    ends = rng.random((2, 3))
    ramp = np.linspace(0, 1, SIDE)[:, None, None]
    ground = np.broadcast_to(ends[0] * (1 - ramp) + ends[1] * ramp, (SIDE, SIDE, 3))
    image = Image.fromarray((ground * 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 24))):
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        middle, size = rng.uniform(0, SIDE, 2), rng.uniform(6, 110, 2)
        kind = int(rng.integers(0, 3))
        if kind == 0:
            draw.ellipse([*(middle - size / 2), *(middle + size / 2)], fill=colour)
        elif kind == 1:
            corners = middle + rng.normal(0, size / 2, (int(rng.integers(3, 8)), 2))
            draw.polygon([tuple(corner) for corner in corners], fill=colour)
        else:
            draw.line([*middle, *(middle + rng.normal(0, size))], fill=colour, width=4)
    return torch.from_numpy(np.array(image)).float() / 255


def _mixed(rng: np.random.Generator) -> Tensor:
    """Shapes under a little grain, as painted pictures have it."""
    grain = torch.from_numpy(rng.normal(0, rng.uniform(0.01, 0.08), (SIDE, SIDE, 1))).float()
    return (_shapes(rng) + grain).clamp(0, 1)
