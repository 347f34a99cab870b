"""The embedded autoencoder in two dresses: TAESD keys for ComfyUI, AutoencoderTiny for diffusers.

Both have the same layers under other numbers; scale 1 and shift 0 in both, so that the generator's
latents are what the decoder takes.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from .weights import fill, read_weights

FILE = "drawn_autoencoder.safetensors"
CHANNELS = 16
DOWNSCALE = 8


def new_autoencoder() -> Any:
    """A diffusers AutoencoderTiny with fresh weights: 8x smaller, 16 channels, scale 1, shift 0."""
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(latent_channels=CHANNELS, scaling_factor=1.0, shift_factor=0.0)


def to_taesd(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """AutoencoderTiny keys -> the TAESD keys that ComfyUI recognises a VAE by."""
    renamed = {}
    for key, value in state.items():
        part, number, rest = _split(key, r"(encoder|decoder)\.layers\.(\d+)\.(.+)")
        # TAESD counts its clamp as the decoder's first layer
        renamed[f"taesd_{part}.{number + (part == 'decoder')}.{rest}"] = value
    renamed["vae_scale"] = torch.tensor(1.0)
    renamed["vae_shift"] = torch.tensor(0.0)
    return renamed


def from_taesd(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """TAESD keys -> AutoencoderTiny keys.

    Raises: CheckpointError: keys of another layout, or a scale and shift other than 1 and 0.
    """
    if float(state.get("vae_scale", 1.0)) != 1 or float(state.get("vae_shift", 0.0)) != 0:
        raise CheckpointError(f"{FILE} has a scale or shift of its own; this package's has none.")
    renamed = {}
    for key, value in state.items():
        if key in ("vae_scale", "vae_shift"):
            continue
        part, number, rest = _split(key, r"taesd_(encoder|decoder)\.(\d+)\.(.+)")
        renamed[f"{part}.layers.{number - (part == 'decoder')}.{rest}"] = value
    return renamed


@functools.lru_cache(maxsize=2)
def load_autoencoder(folder: Path | None = None) -> Any:
    """The embedded AutoencoderTiny, float32 and frozen.

    Raises: CheckpointError: missing or damaged.
    """
    tensors, _ = read_weights(FILE, folder)
    model = fill(new_autoencoder(), from_taesd(tensors), FILE)
    # a fifth faster on CPU, where decoding is most of a picture's time
    return model.to(memory_format=torch.channels_last)


def preview_factors(metadata: dict[str, str]) -> tuple[list[list[float]], list[float]]:
    """Fitted colours of the latent channels for previews: factors [16][3] and bias [3], in -1..1.

    Args:
        metadata: of the weight file.
    Raises: CheckpointError: the file has none.
    """
    try:
        factors = json.loads(metadata["latent_rgb_factors"])
        bias = json.loads(metadata["latent_rgb_factors_bias"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{FILE} lacks preview colours; export it again.") from error
    return factors, bias


@torch.no_grad()
def decode(latents: Tensor, folder: Path | None = None, *, half: bool = False) -> Tensor:
    """Latents [B, 16, h, w] -> pictures [B, 8 h, 8 w, 3] in 0..1.

    Args:
        half: in bfloat16, which takes half the time and moves a pixel by 0.002 on average.
    """
    latents = latents.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        pixels = load_autoencoder(folder).decode(latents).sample.float()
    result: Tensor = (pixels / 2 + 0.5).clamp(0, 1).movedim(1, -1)
    return result


@torch.no_grad()
def encode(images: Tensor, folder: Path | None = None) -> Tensor:
    """Pictures [B, H, W, 3] in 0..1, sides multiples of 8 -> latents [B, 16, H / 8, W / 8]."""
    result: Tensor = load_autoencoder(folder).encode(images.movedim(-1, 1) * 2 - 1).latents
    return result


def _split(key: str, pattern: str) -> tuple[str, int, str]:
    found = re.fullmatch(pattern, key)
    if found is None:
        raise CheckpointError(f"Key {key!r} does not belong to a TAESD autoencoder.")
    return found[1], int(found[2]), found[3]
