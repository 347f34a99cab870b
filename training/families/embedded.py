"""The embedded generator as a family: what `python training/train.py` trains without options."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from emofeedback.adapter import EmotionAdapter
from emofeedback.embedded import autoencoder
from emofeedback.embedded.clip import encode_text
from emofeedback.embedded.generator import FAMILY, load_generator

from .base import Words

LORA_TARGETS = (
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
    "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
)  # fmt: skip
"""Joint attention of SD3, both streams."""


class EmbeddedFamily:
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
        self._quick: Any = None
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
        return self.transformer(
            hidden_states=latents,
            encoder_hidden_states=context,
            pooled_projections=pooled,
            timestep=sigma * 1000,
            return_dict=False,
        )[0]

    @torch.no_grad()
    def decode(self, latents: Tensor, *, quick: bool = False) -> Tensor:
        """See `Family.decode`."""
        latents = latents.float().cpu()
        if not (quick and _has_fast_bfloat16()):
            return autoencoder.decode(latents)
        if self._quick is None:
            self._quick = copy.deepcopy(autoencoder.load_autoencoder()).bfloat16()
            self._quick.to(memory_format=torch.channels_last)
        last = latents.bfloat16().contiguous(memory_format=torch.channels_last)
        pixels = self._quick.decode(last).sample.float()
        return (pixels / 2 + 0.5).clamp(0, 1).movedim(1, -1).contiguous()

    @torch.no_grad()
    def encode_pictures(self, images: Tensor) -> Tensor:
        """Pictures [B, H, W, 3] in 0..1 -> latents [B, ...]."""
        device = next(self.transformer.parameters()).device
        return autoencoder.encode(images).to(device)


def _has_fast_bfloat16() -> bool:
    """Decoding is most of a tiny step; in bfloat16 it measured 51 instead of 133 ms a picture."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
