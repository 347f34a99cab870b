"""Recipe of the CLIP pair's text tower: `python -m training.world train text_tower`.

Learns from words alone, in minutes: linear heads, thrown away afterwards, must tell place, subject
and every cue of a caption from its embedding, and which families it leaves to chance. The generator
is conditioned by this tower, and what it cannot tell apart the generator cannot draw. The picture
half of the exported pair is untrained until `picture_tower` has run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

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
    load_clip,
    new_clip,
    token_ids,
)
from emofeedback.refining.cues import FAMILIES

from ..runs.optim import Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..world.captions import VOCABULARY
from ..world.scene import Scene, sample_scene
from ..world.vocabulary import PLACES, SUBJECTS
from .clip import FILE, draw_caption, labels, write_folder
from .files import export
from .half import half_precision

HEADS = (len(PLACES), len(SUBJECTS), *(len(levels) + 1 for levels in FAMILIES.values()))
"""Numbers of answers; the last one of each family is "not named"."""


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
    if options.start is not None:
        start_from(clip, tokenizer.get_vocab(), options.start)
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
    answers = [
        told_labels(scene, families) for scene, (_, families) in zip(scenes, told, strict=True)
    ]
    return [text for text, _ in told], torch.tensor(answers)


def told_labels(scene: Scene, families: Collection[str]) -> list[int]:
    """As `labels`, for a text that names only these families."""
    place, subject, *cues = labels(scene)
    options = zip(FAMILIES.items(), cues, strict=True)
    told = [cue if family in families else len(levels) for (family, levels), cue in options]
    return [place, subject, *told]


def start_from(clip: Any, words: Mapping[str, int], folder: Path) -> None:
    """Copy an earlier text tower, its words by their names: what is conditioned by it stays near.

    Args:
        words: of the new tower's tokenizer, with their numbers.
        folder: weights folder of the earlier pair.
    """
    earlier, tokenizer = load_clip(folder)
    old_words = tokenizer.get_vocab()
    shared = [(number, old_words[word]) for word, number in words.items() if word in old_words]
    new_rows, old_rows = (list(rows) for rows in zip(*shared, strict=True))
    old = earlier.state_dict()
    state = clip.state_dict()
    for name in state:
        if not name.startswith(("text_model.", "text_projection.")):
            continue
        if name.endswith("token_embedding.weight"):
            state[name][new_rows] = old[name][old_rows]
        else:
            state[name] = old[name]
    clip.load_state_dict(state)
