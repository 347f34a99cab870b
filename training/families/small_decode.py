"""Pictures of half the size straight from the decoder's inner features, for rewards of a rollout.

Decoding is most of a tiny picture's time on a CPU, and most of decoding is its last, largest stage.
The embedded reward models look at 128 pixels, half the side of a picture, so that stage is left out
and its features become colours by a linear map, fitted once to what the whole decoder paints.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emofeedback.embedded import autoencoder
from emofeedback.lvlm.precision import fast_dtype

PICTURES = 4
SEED = 1
RIDGE = 1e-5
"""Of the colours' fit, for each sample."""
LATENT_LIMIT = 3.0
"""The decoder's own soft clamp of its input: tanh(x / 3) * 3, as TAESD."""


class SmallDecoder:
    """Latents [B, 16, h, w] -> pictures [B, 4 h, 4 w, 3] in 0..1, about 35 dB from the whole
    decoder's, averaged over 2 x 2 pixels; in bfloat16 where the processor computes in it: half
    the time, and a pixel moves by 0.002.

    Args:
        size: side of the drawn pictures that the colours are fitted to, in pixels.
    """

    def __init__(self, *, size: int) -> None:
        body = _without_last_stage(copy.deepcopy(autoencoder.load_autoencoder()).decoder)
        head = fit_colours(body, drawn_latents(size))
        layers = nn.Sequential(body, head).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._layers = layers.to(fast_dtype())

    def __call__(self, latents: Tensor) -> Tensor:
        pixels = self._layers(_clamped(latents.float().cpu()).to(fast_dtype()))
        result: Tensor = pixels.float().clamp(0, 1).movedim(1, -1).contiguous()
        return result


@torch.no_grad()
def drawn_latents(size: int) -> Tensor:
    """Latents of drawn pictures of all kinds: [4, 16, size / 8, size / 8]."""
    from ..world.render import render
    from ..world.scene import sample_scene

    scenes = [sample_scene(np.random.default_rng((SEED, i)), split="any") for i in range(PICTURES)]
    drawn = np.stack([np.asarray(render(scene, size)) for scene in scenes])
    return autoencoder.encode(torch.from_numpy(drawn).float() / 255)


@torch.no_grad()
def fit_colours(body: nn.Module, latents: Tensor) -> nn.Conv2d:
    """The 1 x 1 convolution from features to colours with the least squared error.

    A small ridge keeps its weights small: features that nearly repeat each other would get large
    ones of either sign, which half precision does not add up to the same colour.
    """
    features = body(_clamped(latents))  # [N, F, H / 2, W / 2]
    ones = torch.ones_like(features[:, :1])
    inputs = torch.cat([features, ones], 1).movedim(1, -1).flatten(0, 2).double()
    painted = autoencoder.decode(latents).movedim(-1, 1)
    colours = nn.functional.avg_pool2d(painted, 2).movedim(1, -1).flatten(0, 2).double()
    ridge = RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=inputs.dtype)
    found = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ colours).float()  # [F + 1, 3]
    head = nn.Conv2d(features.shape[1], 3, 1)
    head.weight.copy_(found[:-1].T[:, :, None, None])
    head.bias.copy_(found[-1])  # type: ignore[union-attr]
    return head.requires_grad_(False)


def _without_last_stage(decoder: Any) -> nn.Sequential:
    layers = list(decoder.layers)
    stages = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Upsample)]
    return nn.Sequential(*layers[: stages[-1]])


def _clamped(latents: Tensor) -> Tensor:
    kept = torch.tanh(latents / LATENT_LIMIT) * LATENT_LIMIT
    return kept.contiguous(memory_format=torch.channels_last)
