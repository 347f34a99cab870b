"""The embedded generator through diffusers: loading it, and a small sampling function.

In ComfyUI the same file loads as a stock SD3 MODEL; `generate` follows its `euler` sampler on the
`simple` schedule step by step, so that both give the same latents for the same noise.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..control.adapter import EmotionAdapter
from ..control.checkpoint import load_adapter
from ..errors import CheckpointError
from ..lvlm.patches import embed_whole_patches
from . import autoencoder
from .clip import encode_text
from .drawn_transformer import drawn_transformer_class
from .weights import fill, read_weights, weight_path

FILE = "drawn_generator.safetensors"
ADAPTER_FILE = "drawn_emotion.safetensors"
FAMILY = "drawn"


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Shape of the generator; ComfyUI wants width = 64 x depth and as many heads as layers."""

    size: int = 256
    """Side of the training pictures in pixels."""
    depth: int = 3
    patch: int = 2
    """Latent cells a token is wide."""
    context_width: int = 128
    pooled_width: int = 128
    shift: float = 3.0
    """Sampling shift; 3 is what ComfyUI gives an SD3 model by itself."""
    guess_error: float = 0.0
    """As for `prediction.velocity_of`; 0, as of files that do not say it."""
    seamless_below: float = 0.0
    """As for `prediction.over_seams`; 0, as of files that do not say it."""


@dataclass(frozen=True)
class Generator:
    """A loaded generator with its emotion adapter."""

    transformer: Any
    adapter: EmotionAdapter
    config: GeneratorConfig


def new_transformer(config: GeneratorConfig) -> Any:
    """A diffusers SD3Transformer2DModel of this shape with fresh weights."""
    side = config.size // autoencoder.DOWNSCALE
    transformer = drawn_transformer_class()(
        sample_size=side,
        patch_size=config.patch,
        in_channels=autoencoder.CHANNELS,
        out_channels=autoencoder.CHANNELS,
        num_layers=config.depth,
        num_attention_heads=config.depth,
        attention_head_dim=64,
        caption_projection_dim=64 * config.depth,
        joint_attention_dim=config.context_width,
        pooled_projection_dim=config.pooled_width,
        pos_embed_max_size=4 * side // config.patch,  # pictures up to four times the side
        qk_norm="rms_norm",
    )
    embed_whole_patches(transformer)
    transformer.guess_error = config.guess_error
    transformer.seamless_below = config.seamless_below
    return transformer


def generator_metadata(config: GeneratorConfig) -> dict[str, str]:
    """What the weight file says about its shape."""
    return {"architecture": json.dumps(asdict(config)), "base_family": FAMILY}


def read_config(metadata: Mapping[str, str], folder: Path | None = None) -> GeneratorConfig:
    """The shape that a weight file tells of itself; `folder` only names it in the message.

    Raises: CheckpointError: it tells none.
    """
    try:
        return GeneratorConfig(**json.loads(metadata["architecture"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{weight_path(FILE, folder)} does not describe an embedded generator. "
            "Export it again: python -m training.world train generator --steps 0 --export"
        ) from error


@functools.lru_cache(maxsize=2)
def load_generator(folder: Path | None = None) -> Generator:
    """The embedded generator and its adapter, float32 and frozen.

    Raises: CheckpointError: a file is missing, damaged or foreign.
    """
    tensors, metadata = read_weights(FILE, folder)
    config = read_config(metadata, folder)
    adapter = load_adapter(weight_path(ADAPTER_FILE, folder))
    return Generator(
        fill(new_transformer(config), tensors, FILE), adapter.requires_grad_(False), config
    )


@torch.no_grad()
def generate(
    prompts: Sequence[str],
    *,
    emotion: Sequence[tuple[float, float]] | None = None,
    steps: int = 20,
    guidance: float = 3.0,
    seed: int = 0,
    noise: Tensor | None = None,
    strength: float = 1.0,
    size: int | None = None,
    half: bool = False,
    folder: Path | None = None,
) -> Tensor:
    """Pictures of prompts, one each: [B, H, W, 3] in 0..1. Arguments as for `sample_latents`.

    Args:
        emotion: valence and arousal in [-3, 3] for each prompt; None: the words alone.
        size: side in pixels, a multiple of 16; None: that of the training pictures.
        half: decode in bfloat16, see `autoencoder.decode`.
    """
    generator = load_generator(folder)
    context, pooled = encode_text(prompts, folder)
    if emotion is not None:
        felt = torch.tensor(emotion, dtype=torch.float32)
        context, pooled = generator.adapter(context, pooled, felt, strength)
    if noise is None:
        side = (size or generator.config.size) // autoencoder.DOWNSCALE
        shape = (len(prompts), autoencoder.CHANNELS, side, side)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    latents = sample_latents(
        generator.transformer,
        (context, pooled),
        encode_text([""], folder),
        noise,
        steps=steps,
        guidance=guidance,
        shift=generator.config.shift,
    )
    return autoencoder.decode(latents, folder, half=half)


@torch.no_grad()
def sample_latents(
    transformer: Any,
    positive: tuple[Tensor, Tensor],
    negative: tuple[Tensor, Tensor],
    noise: Tensor,
    *,
    steps: int,
    guidance: float,
    shift: float,
    clean: Tensor | None = None,
    first: int = 0,
) -> Tensor:
    """Latents from noise by Euler steps with classifier-free guidance.

    Args:
        positive, negative: context [B or 1, T, C] and pooled [B or 1, P].
        noise: [B, 16, h, w], standard normal.
        guidance: 1 = no guidance, ComfyUI's cfg.
        shift: of the schedule; larger spends more steps near the noise.
        clean: latents of a picture to start from, noised as far as step `first` asks.
        first: the step to begin with, 0 .. `steps`; 0 starts from noise alone.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    # ComfyUI's `simple` schedule before its shift: every (1000 // steps)th of 1000 levels
    scheduler.set_timesteps(sigmas=[1 - int(i * 1000 / steps) / 1000 for i in range(steps)])
    batch = noise.shape[0]
    sides = [positive] if guidance == 1 else [positive, negative]
    context = torch.cat([c.expand(batch, -1, -1) for c, _ in sides])
    pooled = torch.cat([p.expand(batch, -1) for _, p in sides])
    latents = noise
    if clean is not None:
        sigma = scheduler.sigmas[first]
        latents = (1 - sigma) * clean + sigma * noise
        scheduler.set_begin_index(first)
    for timestep in scheduler.timesteps[first:]:
        velocity = transformer(
            hidden_states=latents.repeat(len(sides), 1, 1, 1),
            encoder_hidden_states=context,
            pooled_projections=pooled,
            timestep=timestep.expand(len(sides) * batch),
            return_dict=False,
        )[0]
        if len(sides) == 2:
            wanted, plain = velocity.chunk(2)
            velocity = plain + guidance * (wanted - plain)
        latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
    return latents
