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
from emofeedback.errors import ConfigError
from emofeedback.lvlm.precision import fast_dtype

from ..formulas.dynamics import sigma_schedule
from .base import Family, Words
from .facts import SD3_ATTENTION
from .small_decode import SmallDecoder


class EmbeddedFamily(Family):
    """The shipped generator; loads a copy of its own, since a LoRA is put into it.

    Args:
        size: side of the pictures in pixels; 0: that of the training pictures.
    Raises: ConfigError: no whole number of tokens, or more than the network has places for.
    """

    name = FAMILY
    lora_targets: Sequence[str] = SD3_ATTENTION

    def __init__(self, *, size: int = 0) -> None:
        generator = load_generator()
        token, most = autoencoder.DOWNSCALE * generator.config.patch, 4 * generator.config.size
        if size % token or size > most:
            raise ConfigError(
                f"model.size is {size}; pictures of the embedded generator have a multiple of "
                f"{token} pixels a side, up to {most}."
            )
        self.transformer: Any = copy.deepcopy(generator.transformer)
        self.adapter: EmotionAdapter = copy.deepcopy(generator.adapter)
        self.shift = generator.config.shift
        self._quick: SmallDecoder | None = None
        side = (size or generator.config.size) // autoencoder.DOWNSCALE
        self.latent_shape: tuple[int, ...] = (autoencoder.CHANNELS, side, side)

    def sigmas(self, num_steps: int) -> Tensor:
        """See `Family.sigmas`; evenly spaced, then shifted, as ComfyUI's `simple` schedule."""
        return sigma_schedule(num_steps, self.shift)

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
