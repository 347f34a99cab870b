"""What the generator's recipe learns from: latents, subjects, words and emotions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emofeedback.refining.cues import FAMILIES

from ..world.captions import caption, spoken_families
from ..world.dataset import PictureSet
from ..world.render import subject_mask
from ..world.scene import Scene
from .latents import encode_fixed

CHUNK = 250


@dataclass(frozen=True, kw_only=True)
class CaptionShares:
    """How often a picture comes with its emotion, and with which words."""

    emotion: float = 0.8
    """Share of the evenly drawn pictures that come with their valence and arousal."""
    bare: float = 0.5
    """Share of the captions with emotion that name no cue at all; the rest a random subset."""
    empty: float = 0.35
    """Share of the pictures that leave every family to chance that come with no words either, for
    guidance: what it pushes away from then has the odds of any prompt, and chance stays chance."""


@dataclass(frozen=True)
class Batch:
    """What one step is shown."""

    indices: np.ndarray
    captions: list[str]
    emotion: Tensor
    """[B, 2] valence and arousal."""
    fed: Tensor
    """[B] 1 where the emotion reaches the adapter, else 0."""


def place_odds(scenes: Sequence[Scene], hard: Collection[str], times: float) -> np.ndarray:
    """Probability of each scene [N]: those of a `hard` place count `times` as much as others."""
    odds = np.array([times if scene.place in hard else 1.0 for scene in scenes])
    shares: np.ndarray = odds / odds.sum()
    return shares


def draw_batch(
    scenes: Sequence[Scene],
    size: int,
    shares: CaptionShares,
    rng: np.random.Generator,
    odds: np.ndarray,
) -> Batch:
    """Random pictures, by their `odds` [N], with their words and emotions."""
    indices = rng.choice(len(scenes), size=size, p=odds)
    chosen = [scenes[i] for i in indices]
    fed = rng.random(size) < shares.emotion
    fed &= np.array([scene.even for scene in chosen])
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
    """Words for one picture: what its emotion says, or what its draw left to chance, may be left
    out."""
    if with_emotion:
        subset = [family for family in FAMILIES if rng.random() < 0.5]
        return caption(scene, rng, families=[] if rng.random() < shares.bare else subset)
    if not scene.pinned and rng.random() < shares.empty:
        return ""
    return caption(scene, rng, families=spoken_families(scene, rng))


def encode_all(data: PictureSet) -> Tensor:
    """Fixed latents of all pictures, half precision: [N, 16, h, w]."""
    chunks = range(0, len(data.pictures), CHUNK)
    return torch.cat([encode_fixed(data.pictures[i : i + CHUNK]).half() for i in chunks])


def encode_subjects(scenes: Sequence[Scene], side: int) -> Tensor:
    """How much of each latent cell the subject covers, half precision: [N, 1, side, side]."""
    masks = np.stack([subject_mask(scene, side) for scene in scenes])
    return torch.from_numpy(masks).half().unsqueeze(1)
