"""Recipe of the CLIP pair's picture tower, after the text tower: `train picture_tower`.

The generator is conditioned by the text tower, so that tower stays as it was exported and only the
picture tower learns to agree with it (locked-text tuning, arXiv 2111.07991). What the content score
needs most is asked directly: which of all neutral prompts of (place, subject) is this picture's?
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofeedback.embedded.clip import embed_texts, load_clip, to_pixels
from emofeedback.embedded.weights import weight_path
from emofeedback.records.weights import read_header

from ..runs.optim import MuonOptim, Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..world.captions import neutral_prompt
from ..world.dataset import PictureSet, picture_set
from ..world.scene import NEUTRAL_CUES, Scene
from ..world.vocabulary import PLACES, SUBJECTS
from .augment import augment
from .clip import (
    FILE,
    HEADS,
    draw_caption,
    fit_calibration,
    heads_loss,
    held_out_pairs,
    independent_loss,
    labels,
    report,
    text_digest,
)
from .files import export
from .half import half_precision


@dataclass(frozen=True, kw_only=True)
class PictureTowerConfig:
    """All values of the recipe; the shape is that of the exported pair."""

    batch: int = 64
    pictures: int = 16_000
    held_out_pictures: int = 512
    picture_seed: int = 0
    caption_weight: float = 0.25
    """Weight of finding the picture's own caption in the batch."""
    head_weight: float = 0.5
    """Weight of the helper heads' loss."""
    clip: str = ""
    """Digest of the text tower; filled in by the recipe."""
    minutes: float = 15.0
    optim: Optim = field(
        default_factory=lambda: MuonOptim(learning_rate=1e-3, weight_decay=0.05, ema_decay=0.995)
    )


class PictureTower(nn.Module):
    """The picture half of a pair with the helper heads of the training."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip.requires_grad_(False)
        for part in (clip.vision_model, clip.visual_projection):
            part.requires_grad_(True)
        self.heads = nn.Linear(clip.config.vision_config.hidden_size, sum(HEADS))
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.bias = nn.Parameter(torch.tensor(-6.0))


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    train_with(PictureTowerConfig(), options)


def train_with(config: PictureTowerConfig, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run.

    Raises: CheckpointError: there is no text tower in the weights folder yet.
    """
    clip, tokenizer = load_clip.__wrapped__(options.weights)  # an own copy: it is changed here
    size = clip.config.vision_config.image_size
    config = replace(config, clip=text_digest(options.weights))
    torch.manual_seed(options.seed)
    tower = PictureTower(clip)
    sets = {
        split: picture_set(count, seed=config.picture_seed, size=size, split=split)
        for split, count in (("train", config.pictures), ("held_out", config.held_out_pictures))
    }
    run = Run(
        "picture_tower", options, config=config, modules={"tower": tower}, optim=config.optim,
        default_minutes=config.minutes,
    )  # fmt: skip

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        return tower_loss(tower, tokenizer, sets["train"], config, random)

    run.fit(loss, report=lambda _: report(clip, tokenizer, sets["held_out"]), report_every=250)
    if options.export:
        with run.averaged():
            export_weights(run, tower, tokenizer, sets["held_out"])
    return run


def tower_loss(
    tower: PictureTower,
    tokenizer: Any,
    data: PictureSet,
    config: PictureTowerConfig,
    random: StepRandom,
) -> tuple[Tensor, dict[str, float | Tensor]]:
    """Which neutral prompts are the picture's (each asked by itself, arXiv 2303.15343), which of
    the batch's captions, and what the heads see."""
    rng, clip = random.numpy, tower.clip
    indices = np.sort(rng.choice(len(data.scenes), size=config.batch, replace=False))
    scenes = [data.scenes[i] for i in indices]
    truth = torch.tensor([labels(scene) for scene in scenes])
    with torch.no_grad():
        contents = embed_texts(clip, tokenizer, all_neutral_prompts(rng))
        captions = embed_texts(clip, tokenizer, [draw_caption(s, rng, 0.5)[0] for s in scenes])
    pixels = to_pixels(
        augment(data.pictures[indices], rng, clean=0.4, mirror=False), data.pictures.shape[1]
    )
    with half_precision():
        seen = clip.vision_model(pixel_values=pixels).pooler_output
        image_side = F.normalize(clip.visual_projection(seen).float(), dim=-1)
        guessed = tower.heads(seen).float()
    scale = tower.log_scale.exp()
    pair_number = truth[:, 0] * len(SUBJECTS) + truth[:, 1]
    every = torch.cartesian_prod(torch.arange(len(PLACES)), torch.arange(len(SUBJECTS)))
    content = independent_loss(
        scale * image_side @ contents.T + tower.bias, pair_number, never_together(truth, every)
    )
    own = F.cross_entropy(
        (scale * image_side @ captions.T).masked_fill(never_together(truth, truth), -math.inf),
        torch.arange(len(scenes)),
    )
    helped = heads_loss(guessed, truth)
    loss = content + config.caption_weight * own + config.head_weight * helped
    return loss, {"content": content.detach(), "caption": own.detach(), "helper": helped.detach()}


def never_together(pictures: Tensor, texts: Tensor) -> Tensor:
    """[B, T] whether a text's place or subject is held out with the other one of the picture.

    Args:
        pictures: [B, 2 or more], texts: [T, 2 or more]: numbers of place and subject first.
    """
    apart = held_out_pairs()
    places, subjects = texts[:, 0], texts[:, 1]
    return apart[places][:, pictures[:, 1]].T | apart[pictures[:, 0]][:, subjects]


def all_neutral_prompts(rng: np.random.Generator) -> list[str]:
    """A neutral prompt of every (place, subject), in the order of the vocabulary."""
    return [
        neutral_prompt(Scene(place, subject, NEUTRAL_CUES, 0), rng)
        for place in PLACES
        for subject in SUBJECTS
    ]


def export_weights(run: Run, tower: PictureTower, tokenizer: Any, held_out: PictureSet) -> None:
    """Write the pair with its new picture tower; the text tower stays as it was, bit for bit."""
    tower.eval()
    with torch.no_grad():
        calibration, right = fit_calibration(tower.clip, tokenizer, held_out)
    before = read_header(weight_path(FILE, run.options.weights)).metadata
    facts = run.describe() | {
        "pair_command": before.get("pair_command", before.get("command", "")),
        "calibration": json.dumps(asdict(calibration)),
        "evaluation": json.dumps(run.reported | {"content_accuracy": right}),
    }
    export(run.options.weights / FILE, tower.clip.state_dict(), facts)
