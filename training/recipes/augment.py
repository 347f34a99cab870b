"""Picture augmentation for models that must read generated pictures, not only drawn ones.

A generated picture went through an autoencoder and a sampler: it is softer, its small parts are
smeared and its blocks carry few frequencies. Each picture of a batch gets a random mix of such
losses, so that what is learned does not hang on the renderer's crisp edges.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 8


def augment(
    pictures: np.ndarray,
    random: np.random.Generator,
    *,
    clean: float = 0.25,
    mirror: bool = True,
) -> Tensor:
    """Mirrored, shifted and degraded copies of drawn pictures.

    Args:
        pictures: uint8 [B, S, S, 3].
        random: the step's source; the result depends on nothing else.
        clean: share of the pictures that are mirrored and shifted only.
        mirror: off where left and right need not be learnt alike.
    Returns: float32 [B, S, S, 3] in 0..1.
    """
    images = torch.from_numpy(np.ascontiguousarray(pictures)).float().permute(0, 3, 1, 2) / 255
    images = _mirror(images, random) if mirror else images
    images = _shift(images, random)
    dirty = random.random(len(images)) >= clean
    for degrade in (_few_frequencies, _blur, _warp, _noise, _tone):
        chosen = torch.from_numpy(np.flatnonzero(dirty & (random.random(len(images)) < 0.4)))
        if len(chosen):
            images[chosen] = degrade(images[chosen], random)
    return images.clamp(0, 1).permute(0, 2, 3, 1)


def _mirror(images: Tensor, random: np.random.Generator) -> Tensor:
    flip = torch.from_numpy(random.random(len(images)) < 0.5)
    return torch.where(flip[:, None, None, None], images.flip(3), images)


def _shift(images: Tensor, random: np.random.Generator) -> Tensor:
    reach = max(1, images.shape[-1] // 16)
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    size = images.shape[-1]
    places = random.integers(0, 2 * reach + 1, size=(len(images), 2))
    return torch.stack(
        [row[:, y : y + size, x : x + size] for row, (y, x) in zip(padded, places, strict=True)]
    )


def _few_frequencies(images: Tensor, random: np.random.Generator) -> Tensor:
    """Keep the lowest block frequencies, as the generator's latent does; colour loses more."""
    luma, chroma = int(random.integers(6, 16)), int(random.integers(2, 5))
    basis = _block_basis()
    height = images.shape[-2] // BLOCK
    colour = torch.einsum("ij,bjhw->bihw", _colour_matrix(), images)
    blocks = F.unfold(colour.flatten(0, 1).unsqueeze(1), BLOCK, stride=BLOCK)  # [3B, 64, N]
    values = torch.einsum("kp,bpn->bkn", basis, blocks).unflatten(0, (-1, 3))
    values[:, 0, luma:] = 0
    values[:, 1:, chroma:] = 0
    flat = torch.einsum("kp,bkn->bpn", basis, values.flatten(0, 1))
    back = F.fold(flat, (height * BLOCK, height * BLOCK), BLOCK, stride=BLOCK)
    return torch.einsum("ij,bjhw->bihw", _colour_matrix().inverse(), back.view_as(images))


def _blur(images: Tensor, random: np.random.Generator) -> Tensor:
    sigma = float(random.uniform(0.4, 1.6)) * images.shape[-1] / 128
    reach = max(1, round(2.5 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).expand(3, 1, -1)
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    rows = F.conv2d(padded, weights.unsqueeze(2), groups=3)
    return F.conv2d(rows, weights.unsqueeze(3), groups=3)


def _warp(images: Tensor, random: np.random.Generator) -> Tensor:
    """Smooth random displacement by a few pixels: the smeared subjects of a weak generator."""
    count, size = len(images), images.shape[-1]
    coarse = torch.from_numpy(random.standard_normal((count, 2, 8, 8)).astype(np.float32))
    field = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
    grid = F.affine_grid(torch.eye(2, 3).expand(count, 2, 3), list(images.shape), False)
    moved = grid + field.permute(0, 2, 3, 1) * float(random.uniform(0.005, 0.025))
    return F.grid_sample(images, moved, padding_mode="border", align_corners=False)


def _noise(images: Tensor, random: np.random.Generator) -> Tensor:
    noise = random.standard_normal(images.shape, dtype=np.float32)
    return images + float(random.uniform(0.01, 0.05)) * torch.from_numpy(noise)


def _tone(images: Tensor, random: np.random.Generator) -> Tensor:
    """A slight shift of exposure and contrast; small, since tone itself carries emotion."""
    gain = torch.from_numpy(random.uniform(0.93, 1.07, (len(images), 1, 1, 1)).astype(np.float32))
    lift = torch.from_numpy(random.uniform(-0.03, 0.03, (len(images), 3, 1, 1)).astype(np.float32))
    return (images - 0.5) * gain + 0.5 + lift


@cache
def _block_basis() -> Tensor:
    """The 64 cosine patterns of an 8 x 8 block [64, 64], by rising frequency."""
    steps = np.arange(BLOCK)
    line = np.cos(math.pi * np.outer(steps, 2 * steps + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    line[0] /= math.sqrt(2)
    order = sorted(((u, v) for u in range(BLOCK) for v in range(BLOCK)), key=lambda p: (sum(p), p))
    patterns = [np.outer(line[u], line[v]).ravel() for u, v in order]
    return torch.tensor(np.stack(patterns), dtype=torch.float32)


@cache
def _colour_matrix() -> Tensor:
    """RGB to luma and two colour differences (ITU-R BT.601)."""
    return torch.tensor(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
