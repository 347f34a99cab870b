"""Recipe of the CLIP pair's text tower: `python -m training.world train text_tower`.

Learns from words alone, in minutes: linear heads, thrown away afterwards, must tell place, subject
and every cue of a caption from its embedding. The generator is conditioned by this tower, and what
it cannot tell apart the generator cannot draw. The picture half of the exported pair is untrained
until `picture_tower` has run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofeedback.embedded.clip import (
    MODEL,
    Calibration,
    build_tokenizer,
    clip_settings,
    encode_ids,
    new_clip,
    token_ids,
)

from ..runs.optim import Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..world.captions import VOCABULARY
from ..world.scene import sample_scene
from .clip import FILE, HEADS, draw_caption, labels, write_folder
from .files import export
from .half import half_precision


@dataclass(frozen=True, kw_only=True)
class TextTowerConfig:
    """All values of the recipe, the shape of the picture half included."""

    size: int = 128
    """Side of the pictures that the picture half takes, in pixels."""
    patch: int = 16
    """Side of the picture half's patches in pixels."""
    text_layers: int = 2
    image_width: int = 128
    image_layers: int = 4
    batch: int = 192
    full_captions: float = 0.5
    """Share of captions that name every cue; the rest name a random subset."""
    minutes: float = 5.0
    optim: Optim = field(
        default_factory=lambda: Optim(
            learning_rate=2e-3, warmup_steps=50, weight_decay=0.01, ema_decay=0.99
        )
    )


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    config = TextTowerConfig() if options.size is None else TextTowerConfig(size=options.size)
    train_with(config, options)


def train_with(config: TextTowerConfig, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run."""
    torch.manual_seed(options.seed)
    tokenizer = build_tokenizer(VOCABULARY)
    settings = clip_settings(
        len(tokenizer.get_vocab()),
        image_size=config.size,
        patch_size=config.patch,
        text_layers=config.text_layers,
        image_width=config.image_width,
        image_layers=config.image_layers,
    )
    clip = new_clip(settings)
    for part in (clip.vision_model, clip.visual_projection):
        part.requires_grad_(False)
    heads = nn.Linear(clip.projection_dim, sum(HEADS))
    run = Run(
        "text_tower", options, config=config, modules={"clip": clip, "heads": heads},
        optim=config.optim, default_minutes=config.minutes,
    )  # fmt: skip

    def read(texts: Sequence[str]) -> Tensor:
        with half_precision():
            result: Tensor = heads(encode_ids(clip, token_ids(tokenizer, texts))[1]).float()
            return result

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        texts, truth = draw_batch(config, random.numpy, "any")
        parts = read(texts).split(HEADS, dim=-1)
        each = [F.cross_entropy(part, truth[:, column]) for column, part in enumerate(parts)]
        return torch.stack(each).mean(), {}

    def report(run: Run) -> dict[str, float]:
        texts, truth = draw_batch(config, np.random.default_rng(run.step), "held_out")
        parts = read(texts).split(HEADS, dim=-1)
        right = (torch.stack([part.argmax(-1) for part in parts], dim=1) == truth).float().mean(0)
        place, subject, *cues = right.tolist()
        return {"place": place, "subject": subject, "cues": sum(cues) / len(cues)}

    run.fit(loss, report=report, report_every=100)
    if options.export:
        with run.averaged():
            folder = options.weights / MODEL
            write_folder(folder, settings, tokenizer)
            facts = run.describe() | {
                "calibration": json.dumps(asdict(Calibration(scale=10.0, bias=-3.0))),
                "evaluation": json.dumps(run.reported),
            }
            export(options.weights / FILE, clip.state_dict(), facts)
    return run


def draw_batch(
    config: TextTowerConfig, rng: np.random.Generator, split: str
) -> tuple[list[str], Tensor]:
    """Captions, and the labels [B, heads] of what they tell."""
    scenes = [sample_scene(rng, split=split) for _ in range(config.batch)]
    told = [draw_caption(scene, rng, config.full_captions) for scene in scenes]
    return [text for text, _ in told], torch.tensor([labels(scene) for _, scene in told])
