"""Drawn pictures as the embedded generator paints them, so that their truth is known.

A drawn picture's latents are noised half way and denoised with the picture's full caption: the
layout stays, and with it every cue; the brush is the generator's. Networks that only ever saw drawn
pictures misread painted ones more than twice as far (`python -m training.world evaluate judge`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from emofeedback.embedded import autoencoder, generator
from emofeedback.embedded.clip import encode_text
from emofeedback.embedded.weights import weight_path
from emofeedback.records.weights import read_header

from ..world.captions import caption
from ..world.dataset import PictureSet, kept_set
from ..world.render import render
from ..world.scene import Scene
from .augment import augment
from .files import to_uint8
from .latents import encode_fixed

NUM_STEPS = 20
FIRST_STEPS = (16, 15, 14, 13)
"""Of the twenty steps, where to begin: at sigma 0.43, 0.50, 0.56 or 0.62."""
GUIDANCE = 3.0
BATCH = 16


def repainted_set(count: int, *, seed: int, size: int, split: str) -> PictureSet | None:
    """The first `count` scenes of a seed, repainted once and then read from disk.

    Args:
        count: None is returned where it is 0.
        size: side to which the pictures are shrunk, in pixels.
        split: "train", "held_out" or "any" (place, subject) pairs.
    Raises: CheckpointError: there is no generator yet.
    """
    if count == 0:
        return None
    header = read_header(weight_path(generator.FILE))
    name = f"repainted{header.metadata.get('steps', '')}"
    return kept_set(name, count, seed=seed, size=size, split=split, draw=repaint_scenes)


def put_repainted(
    images: Tensor,
    scenes: list[Scene],
    places: np.ndarray,
    repainted: PictureSet,
    random: np.random.Generator,
    *,
    mirror: bool = False,
) -> None:
    """Put random repainted pictures, shifted only, and their scenes at `places` of a batch.

    Args:
        images: [B, S, S, 3] in 0..1, changed in place, as `scenes` is.
        mirror: as for `augment`.
    """
    chosen = np.sort(random.choice(len(repainted.scenes), len(places), replace=False))
    pictures = augment(repainted.pictures[chosen], random, clean=1.0, mirror=mirror)
    images[torch.from_numpy(places)] = pictures
    for place, index in zip(places, chosen, strict=True):
        scenes[place] = repainted.scenes[index]


def repaint_scenes(scenes: list[Scene], size: int) -> np.ndarray:
    """Pictures uint8 [B, size, size, 3]; the same scenes give the same pictures."""
    side = generator.load_generator().config.size
    parts = []
    for start in range(0, len(scenes), BATCH):
        part = scenes[start : start + BATCH]
        drawn = torch.from_numpy(np.stack([render(scene, side) for scene in part]))
        words = [caption(scene, np.random.default_rng(scene.seed)) for scene in part]
        first = FIRST_STEPS[(start // BATCH) % len(FIRST_STEPS)]
        painted = repaint(drawn, words, first, seed=scenes[start].seed).movedim(-1, 1)
        shrunk = torch.nn.functional.interpolate(
            painted, (size, size), mode="bilinear", antialias=True
        )
        parts.append(to_uint8(shrunk.movedim(1, -1)).numpy())
    return np.concatenate(parts)


def repaint(pictures: Tensor, captions: list[str], first: int, *, seed: int) -> Tensor:
    """Pictures [B, S, S, 3] in 0..1 of `repaint_latents`."""
    return autoencoder.decode(repaint_latents(pictures, captions, first, seed=seed), half=True)


@torch.no_grad()
def repaint_latents(pictures: Tensor, captions: list[str], first: int, *, seed: int) -> Tensor:
    """Noise pictures to the sigma of step `first` and denoise them with their captions.

    Args:
        pictures: uint8 [B, S, S, 3].
        first: 0 paints anew, `NUM_STEPS` changes nothing.
    Returns: [B, 16, S / 8, S / 8].
    """
    made = generator.load_generator()
    clean = encode_fixed(pictures)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    with torch.autocast("cpu", torch.bfloat16):
        latents = generator.sample_latents(
            made.transformer,
            encode_text(captions),
            _nothing(),
            noise,
            steps=NUM_STEPS,
            guidance=GUIDANCE,
            shift=made.config.shift,
            clean=clean,
            first=first,
        )
    return latents.float()


@lru_cache(maxsize=1)
def _nothing() -> tuple[Tensor, Tensor]:
    return encode_text([""])
