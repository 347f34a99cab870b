"""The embedded generator as a family: what `python training/train.py` trains without options."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.embedded import autoencoder
from emofeedback.embedded.clip import encode_text
from emofeedback.embedded.generator import FAMILY, load_generator
from emofeedback.lvlm.precision import fast_dtype

from .base import Family, Words
from .small_decode import SmallDecoder

LORA_TARGETS = (
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
    "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
)  # fmt: skip
"""Joint attention of SD3, both streams."""


class EmbeddedFamily(Family):
    """The shipped generator; loads a copy of its own, since a LoRA is put into it.

    Args:
        size: side of the pictures in pixels; 0: that of the training pictures.
    """

    name = FAMILY
    lora_targets: Sequence[str] = LORA_TARGETS

    def __init__(self, *, size: int = 0) -> None:
        generator = load_generator()
        self.transformer: Any = copy.deepcopy(generator.transformer)
        self.adapter: EmotionAdapter = copy.deepcopy(generator.adapter)
        self.shift = generator.config.shift
        self._quick: SmallDecoder | None = None
        side = (size or generator.config.size) // autoencoder.DOWNSCALE
        self.latent_shape: tuple[int, ...] = (autoencoder.CHANNELS, side, side)

    def encode(self, prompts: Sequence[str]) -> Words:
        """See `Family.encode`."""
        context, pooled = encode_text(prompts)
        device = next(self.transformer.parameters()).device
        return context.to(device), pooled.to(device)

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        context, pooled = words
        result: Tensor = self.transformer(
            hidden_states=latents,
            encoder_hidden_states=context,
            pooled_projections=pooled,
            timestep=sigma * 1000,
            return_dict=False,
        )[0]
        return result

    def decode(self, latents: Tensor, *, quick: bool = False) -> Tensor:
        """See `Family.decode`."""
        if not quick:
            half = fast_dtype() is torch.bfloat16
            return autoencoder.decode(latents.float().cpu(), half=half)
        if self._quick is None:
            self._quick = SmallDecoder(size=self.latent_shape[-1] * autoencoder.DOWNSCALE)
        return self._quick(latents)

    @torch.no_grad()
    def encode_pictures(self, images: Tensor) -> Tensor:
        """Pictures [B, H, W, 3] in 0..1 -> latents [B, ...]."""
        device = next(self.transformer.parameters()).device
        return autoencoder.encode(images).to(device)
