"""What the generator's recipe learns from: latents, words, emotions and picture features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emofeedback.cues import FAMILIES
from emofeedback.embedded.clip import to_pixels

from ..captions import caption
from ..dataset import PictureSet
from ..scene import Scene
from .common import half_precision
from .latents import encode_fixed

CHUNK = 250


@dataclass(frozen=True, kw_only=True)
class CaptionShares:
    """How often a picture comes with its emotion, and with which words."""

    emotion: float = 0.5
    """Share of the pictures that come with their valence and arousal."""
    bare: float = 0.5
    """Share of the captions with emotion that name no cue at all; the rest a random subset."""
    empty: float = 0.1
    """Share of those without emotion that come with no words either, for guidance."""
    full: float = 0.75
    """Share of the captions without emotion that name every cue; the rest a random subset."""


@dataclass(frozen=True)
class Batch:
    """What one step is shown."""

    indices: np.ndarray
    captions: list[str]
    emotion: Tensor
    """[B, 2] valence and arousal."""
    fed: Tensor
    """[B] 1 where the emotion reaches the adapter, else 0."""


def draw_batch(
    scenes: Sequence[Scene], size: int, shares: CaptionShares, rng: np.random.Generator
) -> Batch:
    """Random pictures with their words and emotions."""
    indices = rng.integers(len(scenes), size=size)
    chosen = [scenes[i] for i in indices]
    fed = rng.random(size) < shares.emotion
    captions = [
        draw_caption(scene, shares, rng, with_emotion=bool(flag))
        for scene, flag in zip(chosen, fed, strict=True)
    ]
    return Batch(
        indices=indices,
        captions=captions,
        emotion=torch.tensor([scene.emotion for scene in chosen], dtype=torch.float32),
        fed=torch.from_numpy(fed).float(),
    )


def draw_caption(
    scene: Scene, shares: CaptionShares, rng: np.random.Generator, *, with_emotion: bool
) -> str:
    """Words for one picture: what the emotion already says may be left out, else hardly."""
    subset = [family for family in FAMILIES if rng.random() < 0.5]
    if with_emotion:
        return caption(scene, rng, families=[] if rng.random() < shares.bare else subset)
    if rng.random() < shares.empty:
        return ""
    return caption(scene, rng, families=None if rng.random() < shares.full else subset)


def encode_all(data: PictureSet) -> Tensor:
    """Fixed latents of all pictures, half precision: [N, 16, h, w]."""
    chunks = range(0, len(data.pictures), CHUNK)
    return torch.cat([encode_fixed(data.pictures[i : i + CHUNK]).half() for i in chunks])


@torch.no_grad()
def picture_features(data: PictureSet, clip: Any, side: int) -> Tensor:
    """What the CLIP pair sees at each place of a picture: unit vectors [N, side * side, F], half.

    Taken before the last layer, whose patches nothing was ever asked of; without their mean, which
    says nothing about a picture.
    """
    size = clip.config.vision_config.image_size
    parts = []
    for start in range(0, len(data.pictures), CHUNK):
        images = torch.from_numpy(np.array(data.pictures[start : start + CHUNK])).float() / 255
        with half_precision():
            seen = clip.vision_model(
                pixel_values=to_pixels(images, size), output_hidden_states=True
            ).hidden_states[-2][:, 1:]
        grid = round(seen.shape[1] ** 0.5)
        plane = seen.float().movedim(1, -1).unflatten(-1, (grid, grid))
        if grid != side:
            plane = torch.nn.functional.interpolate(plane, size=(side, side), mode="bilinear")
        parts.append(plane.flatten(2).movedim(1, -1).half())
    features = torch.cat(parts)
    features -= features[:1000].float().mean(dim=(0, 1)).half()
    for start in range(0, len(features), CHUNK):  # in place: all of them at once is a lot
        part = features[start : start + CHUNK]
        part.copy_(torch.nn.functional.normalize(part.float(), dim=-1))
    return features
