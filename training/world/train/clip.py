"""Recipe of the embedded CLIP pair: `python -m training.world train clip`.

Contrastive learning on pictures and captions. Beside it, plain linear heads on both towers learn
place, subject and cue levels and are thrown away: they give short trainings a direct gradient.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofeedback.cues import FAMILIES
from emofeedback.embedded.clip import (
    MODEL,
    Calibration,
    build_tokenizer,
    clip_settings,
    embed_images,
    embed_texts,
    encode_ids,
    new_clip,
    token_ids,
)
from emofeedback.embedded.weights import read_weights

from ..captions import VOCABULARY, caption, neutral_prompt
from ..dataset import PictureSet, picture_set
from ..scene import Scene
from ..vocabulary import PLACE_PHRASES, PLACES, SUBJECTS
from .common import Optim, Run, RunOptions, StepRandom, export, half_precision
from .files import write_json

HEADS = (len(PLACES), len(SUBJECTS), *(len(levels) for levels in FAMILIES.values()))
IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """All values of the recipe."""

    size: int = 128
    """Side of the pictures in pixels."""
    patch: int = 16
    """Side of the picture tower's patches in pixels."""
    text_layers: int = 2
    image_width: int = 128
    image_layers: int = 4
    batch: int = 96
    pictures: int = 12_000
    held_out_pictures: int = 512
    picture_seed: int = 0
    full_captions: float = 0.5
    """Share of captions that name every cue; the rest name a random subset."""
    head_weight: float = 0.3
    """Weight of the helper heads' loss."""
    minutes: float = 7.0
    optim: Optim = field(
        default_factory=lambda: Optim(
            learning_rate=1.5e-3, warmup_steps=60, weight_decay=0.05, ema_decay=0.99
        )
    )


class Pair(nn.Module):
    """The CLIP model with the helper heads of the training."""

    def __init__(self, config: ClipConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.settings = clip_settings(
            vocabulary_size,
            image_size=config.size,
            patch_size=config.patch,
            text_layers=config.text_layers,
            image_width=config.image_width,
            image_layers=config.image_layers,
        )
        self.clip = new_clip(self.settings)
        self.image_heads = nn.Linear(config.image_width, sum(HEADS))
        self.text_heads = nn.Linear(self.clip.projection_dim, sum(HEADS))


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    config = ClipConfig() if options.size is None else ClipConfig(size=options.size)
    train_with(config, options)


def train_with(config: ClipConfig, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run."""
    torch.manual_seed(options.seed)
    tokenizer = build_tokenizer(VOCABULARY)
    pair = Pair(config, len(tokenizer.get_vocab()))
    sets = {
        split: picture_set(count, seed=config.picture_seed, size=config.size, split=split)
        for split, count in (("train", config.pictures), ("held_out", config.held_out_pictures))
    }
    run = Run(
        "clip", options, config=config, modules={"pair": pair}, optim=config.optim,
        default_minutes=config.minutes,
    )  # fmt: skip

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        return pair_loss(pair, tokenizer, sets["train"], config, random)

    run.fit(loss, report=lambda _: report(pair.clip, tokenizer, sets["held_out"]), report_every=200)
    if options.export:
        with run.averaged():
            export_weights(run, pair, tokenizer, sets["held_out"])
    return run


def pair_loss(
    pair: Pair, tokenizer: Any, data: PictureSet, config: ClipConfig, random: StepRandom
) -> tuple[Tensor, dict[str, float | Tensor]]:
    """Contrastive loss of a random batch plus the helper heads' cross entropy."""
    rng = random.numpy
    indices = np.sort(rng.choice(len(data.scenes), size=config.batch, replace=False))
    scenes = [data.scenes[i] for i in indices]
    texts, named = zip(*(draw_caption(s, rng, config.full_captions) for s in scenes), strict=True)
    pixels = augmented(data.pictures[indices], rng)
    with half_precision():
        seen = pair.clip.vision_model(pixel_values=pixels).pooler_output
        _, read = encode_ids(pair.clip, token_ids(tokenizer, texts))
        image_side = F.normalize(pair.clip.visual_projection(seen).float(), dim=-1)
        seen_logits, read_logits = pair.image_heads(seen).float(), pair.text_heads(read).float()
    text_side = F.normalize(read.float(), dim=-1)
    logits = pair.clip.logit_scale.exp().clamp(max=100) * image_side @ text_side.T
    target = torch.arange(len(scenes))
    contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    truth = torch.tensor([labels(scene) for scene in scenes])
    helped = heads_loss(seen_logits, truth) + heads_loss(
        read_logits, truth.masked_fill(~torch.tensor(named), IGNORED)
    )
    right = (logits.argmax(dim=1) == target).float().mean()
    return contrast + config.head_weight * helped, {
        "contrast": contrast.detach(), "helper": helped.detach(), "batch_top1": right,
    }  # fmt: skip


def draw_caption(
    scene: Scene, rng: np.random.Generator, full: float
) -> tuple[str, tuple[bool, ...]]:
    """A caption, and which of place, subject and the families it names."""
    families = set(FAMILIES)
    if rng.random() >= full:
        keep = rng.random()
        families = {family for family in FAMILIES if rng.random() < keep}
    named = tuple(family in families for family in FAMILIES)
    return caption(scene, rng, families=families), (True, True, *named)


def labels(scene: Scene) -> list[int]:
    """Place, subject and cue levels as numbers, in the order of `HEADS`."""
    levels = [
        [level.name for level in options].index(name)
        for options, name in zip(FAMILIES.values(), scene.cues, strict=True)
    ]
    return [PLACES.index(scene.place), SUBJECTS.index(scene.subject), *levels]


def heads_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean cross entropy over the heads; labels of -100 do not count."""
    losses = []
    for column, part in enumerate(logits.split(HEADS, dim=-1)):
        total = F.cross_entropy(part, truth[:, column], ignore_index=IGNORED, reduction="sum")
        losses.append(total / max(1, len(truth)))
    return torch.stack(losses).mean()


def augmented(pictures: np.ndarray, rng: np.random.Generator) -> Tensor:
    """[B, 3, H, W] in -1..1, half of them mirrored, all shifted by up to 8 pixels."""
    pixels = torch.from_numpy(np.array(pictures)).movedim(-1, 1).float() / 127.5 - 1
    mirrored = torch.from_numpy(rng.random(len(pixels)) < 0.5)
    pixels = torch.where(mirrored[:, None, None, None], pixels.flip(-1), pixels)
    down, right = (int(x) for x in rng.integers(0, 17, size=2))
    padded = F.pad(pixels, (8, 8, 8, 8), mode="replicate")
    height, width = pixels.shape[-2:]
    return padded[..., down : down + height, right : right + width]


def report(clip: Any, tokenizer: Any, held_out: PictureSet) -> dict[str, float]:
    """Accuracy on held-out pictures, whose (place, subject) pairs were never trained.

    `place_top1` and `subject_top1` choose among texts that name one of them, the pair numbers among
    all pairs of both.
    """
    images = embed_images(clip, torch.from_numpy(np.array(held_out.pictures)).float() / 255)
    truth = np.array([labels(scene)[:2] for scene in held_out.scenes])
    numbers = {}
    options = {
        "place": [f"a picture of {PLACE_PHRASES[place][0]}" for place in PLACES],
        "subject": [f"a picture of a {subject}" for subject in SUBJECTS],
    }
    for column, (name, texts) in enumerate(options.items()):
        chosen = (images @ embed_texts(clip, tokenizer, texts).T).argmax(dim=1).numpy()
        numbers[f"{name}_top1"] = float((chosen == truth[:, column]).mean())
    every = [f"a {subject} {PLACE_PHRASES[place][0]}" for place in PLACES for subject in SUBJECTS]
    chosen = (images @ embed_texts(clip, tokenizer, every).T).argmax(dim=1).numpy()
    numbers["pair_place_top1"] = float((chosen // len(SUBJECTS) == truth[:, 0]).mean())
    numbers["pair_subject_top1"] = float((chosen % len(SUBJECTS) == truth[:, 1]).mean())
    return numbers


def fit_calibration(
    clip: Any, tokenizer: Any, data: PictureSet, *, seed: int = 0
) -> tuple[Calibration, float]:
    """Logistic border between a picture's own neutral prompt and prompts that are wrong.

    Each picture is paired with its own prompt and with one whose place, subject or both differ.
    Returns: the calibration and its accuracy on these pairs.
    """
    rng = np.random.default_rng(seed)
    own = [neutral_prompt(scene, rng) for scene in data.scenes]
    other = [neutral_prompt(_changed(scene, rng), rng) for scene in data.scenes]
    images = embed_images(clip, torch.from_numpy(np.array(data.pictures)).float() / 255)
    cosine = torch.cat(
        [(images * embed_texts(clip, tokenizer, texts)).sum(dim=1) for texts in (own, other)]
    )
    truth = torch.cat([torch.ones(len(own)), torch.zeros(len(other))])
    scale, bias = torch.tensor(10.0), torch.tensor(-3.0)
    with torch.enable_grad():
        values = [scale.requires_grad_(), bias.requires_grad_()]
        solver = torch.optim.LBFGS(values, max_iter=200, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            solver.zero_grad()
            value = F.binary_cross_entropy_with_logits(scale * cosine + bias, truth)
            value.backward()
            return value

        solver.step(closure)
    right = ((scale * cosine + bias > 0) == (truth > 0.5)).float().mean()
    return Calibration(float(scale), float(bias)), float(right)


def _changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with another place, another subject, or both."""
    places = [place for place in PLACES if place != scene.place]
    subjects = [subject for subject in SUBJECTS if subject != scene.subject]
    kind = rng.integers(3)
    place = scene.place if kind == 0 else places[rng.integers(len(places))]
    subject = scene.subject if kind == 1 else subjects[rng.integers(len(subjects))]
    return Scene(place, subject, scene.cues, scene.seed)


def text_digest(weights: Path) -> str:
    """Short digest of the text tower in a weights folder: what the generator depends on."""
    tensors, _ = read_weights(f"{MODEL}/model.safetensors", weights)
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if name.startswith(("text_model.", "text_projection.")):
            digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()[:16]


def export_weights(run: Run, pair: Pair, tokenizer: Any, held_out: PictureSet) -> None:
    """Write the folder that transformers and the package read: settings, tokenizer, weights."""
    pair.eval()
    with torch.no_grad():
        calibration, right = fit_calibration(pair.clip, tokenizer, held_out)
    facts = run.describe() | {
        "calibration": json.dumps(asdict(calibration)),
        "evaluation": json.dumps(run.reported | {"content_accuracy": right}),
    }
    folder = run.options.weights / MODEL
    write_json(folder / "config.json", {"model_type": "clip", **pair.settings})
    side = {"height": pair.settings["vision_config"]["image_size"]}
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor",
            "do_center_crop": False,
            "size": {**side, "width": side["height"]},
            "resample": 2,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        },
    )
    tokenizer.save_pretrained(str(folder))
    export(folder / "model.safetensors", pair.clip.state_dict(), facts)
