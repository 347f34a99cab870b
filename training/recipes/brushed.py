"""Latents as the embedded generator leaves them, with the drawing that they should become.

A network that paints in patches errs alike within each of them. Noised a little and denoised again
with its caption, a drawing keeps what is in it and gets those errors; a decoder that learns to make
the drawing of it takes them out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emofeedback.records.files import replacing

from ..world.captions import caption
from ..world.dataset import PictureSet
from .repainted import BATCH, repaint_latents

FIRST_STEPS = (13, 15, 17)
"""Of the twenty steps, where to begin: the layout stays, and what the later ones err shows."""


def brushed_latents(drawn: PictureSet, count: int, path: Path) -> Tensor:
    """Latents [count, 16, h, w] in half precision of the first drawings, made once.

    Args:
        path: where they are kept, a safetensors file.
    Raises: CheckpointError: there is no generator yet.
    """
    from safetensors.torch import load_file, save_file
    from tqdm import tqdm

    if path.is_file() and len(kept := load_file(path)["latents"]) >= count:
        return kept[:count]
    made = []
    for start in tqdm(range(0, count, BATCH), desc="brushing", unit="batch"):
        scenes = drawn.scenes[start : min(start + BATCH, count)]
        pictures = torch.from_numpy(np.array(drawn.pictures[start : start + len(scenes)]))
        words = [caption(scene, np.random.default_rng(scene.seed)) for scene in scenes]
        first = FIRST_STEPS[(start // BATCH) % len(FIRST_STEPS)]
        made.append(repaint_latents(pictures, words, first, seed=scenes[0].seed).half())
    latents = torch.cat(made).contiguous()  # channels last, as the network leaves them
    with replacing(path) as partial:
        save_file({"latents": latents}, partial)
    return latents
