"""A random SD3-shaped model of a few thousand latent dims: the whole machinery in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter

from ..formulas.dynamics import sigma_schedule
from .base import Family, Words
from .facts import SD3_ATTENTION

NAME = "smoke"
WIDTH = 32
TOKENS = 6
CHANNELS, SIDE = 16, 8
SHIFT = 3.0


class SmokeFamily(Family):
    """Random weights, random embeddings of prompts, colours straight from the latents."""

    name = NAME
    lora_targets: Sequence[str] = SD3_ATTENTION
    latent_shape: tuple[int, ...] = (CHANNELS, SIDE, SIDE)

    def __init__(self, *, seed: int = 0) -> None:
        from diffusers import SD3Transformer2DModel

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.transformer: Any = SD3Transformer2DModel(
                sample_size=SIDE,
                patch_size=1,
                in_channels=CHANNELS,
                num_layers=2,
                num_attention_heads=2,
                attention_head_dim=WIDTH // 2,
                caption_projection_dim=WIDTH,
                joint_attention_dim=WIDTH,
                pooled_projection_dim=WIDTH,
                out_channels=CHANNELS,
                pos_embed_max_size=SIDE,
            ).eval()
            self.adapter = EmotionAdapter(WIDTH, WIDTH, hidden=16)

    def sigmas(self, num_steps: int) -> Tensor:
        """See `Family.sigmas`."""
        return sigma_schedule(num_steps, SHIFT)

    def encode(self, prompts: Sequence[str]) -> Words:
        """See `Family.encode`: noise that depends on the prompt's letters."""
        rows = [
            np.random.default_rng(list(prompt.encode()) or [0]).standard_normal((TOKENS + 1, WIDTH))
            for prompt in prompts
        ]
        table = torch.from_numpy(np.stack(rows)).float()
        device = next(self.transformer.parameters()).device
        return table[:, 1:].to(device), table[:, 0].to(device)

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        result: Tensor = self.transformer(
            hidden_states=latents,
            encoder_hidden_states=words[0],
            pooled_projections=words[1],
            timestep=sigma * 1000,
            return_dict=False,
        )[0]
        return result

    def decode(self, latents: Tensor, *, quick: bool = False) -> Tensor:
        """See `Family.decode`: the first three channels as red, green and blue."""
        del quick
        return latents[:, :3].float().sigmoid().movedim(1, -1).cpu()
