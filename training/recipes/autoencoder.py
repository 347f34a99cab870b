"""Recipe of the embedded autoencoder: `python -m training.world train autoencoder`.

The latent is fixed (`latents.py`): the encoder's weights are computed (`exact_encoder.py`), and the
decoder, which learns from crops, has its final input from the first step. Once there is a
generator, `--start WEIGHTS --repainted 1536` goes on with latents of its brush (`brushed.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emofeedback.embedded.autoencoder import FILE, load_autoencoder, new_autoencoder, to_taesd

from ..runs.optim import Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..world.dataset import PictureSet, picture_set
from .brushed import brushed_latents
from .exact_encoder import write_exact_encoder
from .files import export
from .half import half_precision
from .latents import decode_fixed, encode_fixed, preview_colours
from .samples import save_grid

BRUSHED: dict[str, Any] = {"crop": 128, "batch": 4, "detail_weight": 0.05}
"""Of a run with brushed latents: several patches a crop, and as much fine detail as drawn."""
REPORTED = 16
"""Held-out pictures of a report on the way; decoding is most of its time."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """All values of the recipe."""

    size: int = 256
    """Side of the pictures in pixels."""
    crop: int = 64
    """Side of the crops that a step sees; a multiple of 8."""
    batch: int = 8
    pictures: int = 4_000
    held_out_pictures: int = 64
    picture_seed: int = 0
    latent_noise: float = 0.08
    """Greatest noise on the decoder's input: a generator's latents are never exact."""
    edge_weight: float = 0.2
    """Weight of the loss on differences between neighbouring pixels."""
    detail_weight: float = 0.0
    """Weight of the loss on how much fine detail there is in all, wherever it lies: what cannot be
    told from brushed latents would be blurred else."""
    brushed_pictures: int = 0
    """Drawings whose latents the embedded generator brushed; they fill half of a batch."""
    minutes: float = 11.0
    optim: Optim = field(
        default_factory=lambda: Optim(learning_rate=1.5e-3, warmup_steps=50, ema_decay=0.995)
    )


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    config = AutoencoderConfig()
    if options.size is not None:
        config = AutoencoderConfig(size=options.size)
    if options.repainted:
        config = replace(config, **BRUSHED, brushed_pictures=options.repainted)
    train_with(config, options)


def train_with(config: AutoencoderConfig, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run."""
    torch.manual_seed(options.seed)
    model = new_autoencoder().to(memory_format=torch.channels_last)
    write_exact_encoder(model.encoder)
    model.encoder.requires_grad_(False)
    if options.start is not None:
        started = load_autoencoder(options.start)
        model.decoder.load_state_dict(started.decoder.state_dict())
    sets = {
        split: picture_set(count, seed=config.picture_seed, size=config.size, split=split)
        for split, count in (("train", config.pictures), ("held_out", config.held_out_pictures))
    }
    run = Run(
        "autoencoder", options, config=config, modules={"autoencoder": model}, optim=config.optim,
        default_minutes=config.minutes,
    )  # fmt: skip

    drawn, brushed = sets["train"], None
    if config.brushed_pictures:
        path = options.run_dir / "brushed.safetensors"
        brushed = brushed_latents(drawn, config.brushed_pictures, path)

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        half = config.batch // 2 if brushed is not None else 0
        crops = _crops(drawn.pictures, config, random, config.batch - half)
        latents = _noised(encode_fixed(crops), config, random)
        if brushed is not None:
            targets, cut = _brushed_crops(drawn.pictures, brushed, config, random, half)
            crops, latents = torch.cat([crops, targets]), torch.cat([latents, cut])
        return _decoder_loss(model, latents, crops, config)

    run.fit(loss, report=lambda _: report(run, model, sets["held_out"]), report_every=1000)
    if options.export:
        with run.averaged():
            export_weights(run, model, sets["held_out"])
    return run


def _crops(
    pictures: np.ndarray, config: AutoencoderConfig, random: StepRandom, count: int
) -> Tensor:
    """[count, crop, crop, 3] in 0..1, half of them mirrored."""
    rng = random.numpy
    room = (config.size - config.crop) // 8 + 1
    crops = []
    for index in rng.integers(len(pictures), size=count):
        top, left = 8 * rng.integers(room, size=2)
        crop = pictures[index, top : top + config.crop, left : left + config.crop]
        crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    return torch.from_numpy(np.stack(crops)).float() / 255


def _brushed_crops(
    pictures: np.ndarray,
    latents: Tensor,
    config: AutoencoderConfig,
    random: StepRandom,
    count: int,
) -> tuple[Tensor, Tensor]:
    """Crops [count, crop, crop, 3] of drawings in 0..1, and their brushed latents."""
    rng, side = random.numpy, config.crop // 8
    room = (config.size - config.crop) // 8 + 1
    crops, cut = [], []
    for index in rng.integers(len(latents), size=count):
        top, left = rng.integers(room, size=2)
        crops.append(
            pictures[index, 8 * top : 8 * top + config.crop, 8 * left : 8 * left + config.crop]
        )
        cut.append(latents[index, :, top : top + side, left : left + side])
    return torch.from_numpy(np.stack(crops)).float() / 255, torch.stack(cut).float()


def _noised(latents: Tensor, config: AutoencoderConfig, random: StepRandom) -> Tensor:
    level = config.latent_noise * torch.rand(len(latents), 1, 1, 1, generator=random.torch)
    return latents + level * torch.randn(latents.shape, generator=random.torch)


def _decoder_loss(
    model: Any, latents: Tensor, crops: Tensor, config: AutoencoderConfig
) -> tuple[Tensor, dict[str, float | Tensor]]:
    with half_precision():
        decoded = model.decode(latents.contiguous(memory_format=torch.channels_last)).sample
    drawn = crops.movedim(-1, 1) * 2 - 1
    error = decoded.float() - drawn
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    loss = 0.3 * error.abs().mean() + 4 * error.square().mean() + config.edge_weight * edges
    if config.detail_weight:
        amounts = [fine_detail(each).log() for each in (decoded.float(), drawn)]
        loss = loss + config.detail_weight * (amounts[0] - amounts[1]).abs().mean()
    return loss, {"psnr": psnr(error.detach() / 2)}


def fine_detail(pictures: Tensor) -> Tensor:
    """Mean square [B] of what a blur of three pixels takes away, of pictures [B, 3, H, W]."""
    blurred = F.avg_pool2d(pictures, 3, stride=1)
    return (pictures[..., 1:-1, 1:-1] - blurred).square().mean((1, 2, 3)) + 1e-6


def psnr(error: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, mean over pictures; errors [B, ...] on the scale 0..1."""
    squares = error.float().square().flatten(1).mean(1)
    return float((-10 * squares.clamp_min(1e-10).log10()).mean())


def report(run: Run, model: Any, held_out: PictureSet) -> dict[str, float]:
    """PSNR on some held-out pictures: of the bare transform, and of encoder and decoder."""
    pictures = torch.from_numpy(np.array(held_out.pictures[:REPORTED])).float() / 255
    latents = encode_fixed(pictures)
    decoded = (model.decode(latents).sample / 2 + 0.5).clamp(0, 1).movedim(1, -1)
    shown = [each[:8] for each in (pictures, decode_fixed(latents), decoded)]
    save_grid(
        run.options.run_dir / f"decoded-{run.step:06d}.png", torch.cat(shown), columns=len(shown[0])
    )
    return {
        "psnr_transform": psnr(decode_fixed(latents) - pictures),
        "psnr_decoder": psnr(decoded - pictures),
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
