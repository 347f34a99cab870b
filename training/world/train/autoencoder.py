"""Recipe of the embedded autoencoder: `python -m training.world train autoencoder`.

The latent is fixed (`latents.py`), so the decoder has a known input from the first step; the
encoder is distilled to give the same latent in the TAESD layout. Both learn from crops, one after
the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emofeedback.embedded.autoencoder import FILE, new_autoencoder, to_taesd

from ..dataset import PictureSet, picture_set
from .common import Optim, Run, RunOptions, StepRandom, export, half_precision
from .latents import decode_fixed, encode_fixed, preview_colours
from .samples import save_grid


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """All values of the recipe."""

    size: int = 128
    """Side of the pictures in pixels."""
    crop: int = 64
    """Side of the crops that a step sees; a multiple of 8."""
    batch: int = 8
    pictures: int = 4_000
    held_out_pictures: int = 64
    picture_seed: int = 0
    decoder_share: float = 0.75
    """Share of the budget spent on the decoder; the rest distils the encoder."""
    latent_noise: float = 0.08
    """Greatest noise on the decoder's input: a generator's latents are never exact."""
    edge_weight: float = 0.5
    """Weight of the loss on differences between neighbouring pixels."""
    minutes: float = 11.0
    optim: Optim = field(
        default_factory=lambda: Optim(learning_rate=1.5e-3, warmup_steps=50, ema_decay=0.995)
    )


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    config = AutoencoderConfig()
    if options.size is not None:
        config = AutoencoderConfig(size=options.size)
    train_with(config, options)


def train_with(config: AutoencoderConfig, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run."""
    torch.manual_seed(options.seed)
    model = new_autoencoder().to(memory_format=torch.channels_last)
    sets = {
        split: picture_set(count, seed=config.picture_seed, size=config.size, split=split)
        for split, count in (("train", config.pictures), ("held_out", config.held_out_pictures))
    }
    run = Run(
        "autoencoder", options, config=config, modules={"autoencoder": model}, optim=config.optim,
        default_minutes=config.minutes, phases=(config.decoder_share, 1.0),
    )  # fmt: skip

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        crops = _crops(sets["train"].pictures, config, random)
        if run.progress < config.decoder_share:
            return _decoder_loss(model, crops, config, random)
        return _encoder_loss(model, crops)

    run.fit(loss, report=lambda _: report(run, model, sets["held_out"]), report_every=1000)
    if options.export:
        with run.averaged():
            export_weights(run, model, sets["held_out"])
    return run


def _crops(pictures: np.ndarray, config: AutoencoderConfig, random: StepRandom) -> Tensor:
    """[B, crop, crop, 3] in 0..1, half of them mirrored."""
    rng = random.numpy
    room = (config.size - config.crop) // 8 + 1
    crops = []
    for index in rng.integers(len(pictures), size=config.batch):
        top, left = 8 * rng.integers(room, size=2)
        crop = pictures[index, top : top + config.crop, left : left + config.crop]
        crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    return torch.from_numpy(np.stack(crops)).float() / 255


def _decoder_loss(
    model: Any, crops: Tensor, config: AutoencoderConfig, random: StepRandom
) -> tuple[Tensor, dict[str, float | Tensor]]:
    latents = encode_fixed(crops)
    level = config.latent_noise * torch.rand(len(latents), 1, 1, 1, generator=random.torch)
    latents = latents + level * torch.randn(latents.shape, generator=random.torch)
    with half_precision():
        decoded = model.decode(latents.contiguous(memory_format=torch.channels_last)).sample
    error = decoded.float() - (crops.movedim(-1, 1) * 2 - 1)
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    loss = error.abs().mean() + 2 * error.square().mean() + config.edge_weight * edges
    return loss, {"psnr": psnr(error.detach() / 2)}


def _encoder_loss(model: Any, crops: Tensor) -> tuple[Tensor, dict[str, float]]:
    pixels = (crops.movedim(-1, 1) * 2 - 1).contiguous(memory_format=torch.channels_last)
    with half_precision():
        latents = model.encode(pixels).latents
    loss = F.smooth_l1_loss(latents.float(), encode_fixed(crops), beta=0.1)
    return loss, {"encoder_loss": float(loss.detach())}


def psnr(error: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of an error on the scale 0..1."""
    return float(-10 * error.float().square().mean().clamp_min(1e-10).log10())


def report(run: Run, model: Any, held_out: PictureSet) -> dict[str, float]:
    """PSNR on held-out pictures: of the bare transform, the decoder, and encoder with decoder."""
    pictures = torch.from_numpy(np.array(held_out.pictures)).float() / 255
    latents = encode_fixed(pictures)
    decoded = _decode(model, latents)
    own = model.encode(pictures.movedim(-1, 1) * 2 - 1).latents
    save_grid(
        run.options.run_dir / f"decoded-{run.step:06d}.png",
        torch.cat([pictures[:8], decode_fixed(latents[:8]), decoded[:8], _decode(model, own[:8])]),
        columns=8,
    )
    return {
        "psnr_transform": psnr(decode_fixed(latents) - pictures),
        "psnr_decoder": psnr(decoded - pictures),
        "psnr_round_trip": psnr(_decode(model, own) - pictures),
        "encoder_error": float((own - latents).square().mean().sqrt()),
        "latent_deviation": float(latents.std()),
    }


def export_weights(run: Run, model: Any, held_out: PictureSet) -> None:
    """Write the TAESD file with measured numbers and preview colours."""
    model.eval()
    pictures = torch.from_numpy(np.array(held_out.pictures)).float() / 255
    factors, bias = preview_colours(encode_fixed(pictures), pictures)
    facts = run.describe() | {
        "latent_rgb_factors": json.dumps([[round(x, 4) for x in row] for row in factors]),
        "latent_rgb_factors_bias": json.dumps([round(x, 4) for x in bias]),
        "evaluation": json.dumps(run.reported),
    }
    export(run.options.weights / FILE, to_taesd(model.state_dict()), facts)


def _decode(model: Any, latents: Tensor) -> Tensor:
    return (model.decode(latents).sample / 2 + 0.5).clamp(0, 1).movedim(1, -1)
