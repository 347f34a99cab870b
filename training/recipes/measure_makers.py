"""Measurements of the models behind a picture: CLIP pair, autoencoder, generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from emofeedback.embedded import autoencoder, generator
from emofeedback.embedded.clip import embed_images, embed_texts, load_clip
from emofeedback.plane.metrics import GRID, axis_metrics, kendall_tau, largest_step_ratio
from emofeedback.records.emotion import LIMIT

from ..world.captions import caption, neutral_prompt
from ..world.dataset import picture_set
from ..world.judge import Judgement, judge
from ..world.scene import NEUTRAL_CUES, Scene, held_out, sample_scene
from ..world.vocabulary import PLACE_PHRASES, PLACES, SUBJECT_PHRASES, SUBJECTS
from .plan import Metric, Plan

BATCH = 25
SWEEP_POINTS = 9


def clip_metrics(plan: Plan) -> list[Metric]:
    """Which of the 140 contents a held-out picture shows, and which of 32 captions is its own."""
    drawn = picture_set(plan.pictures, seed=plan.seed, size=plan.size, split="held_out")
    model, tokenizer = load_clip()
    pairs = [(place, subject) for place in PLACES for subject in SUBJECTS]
    contents = [f"{SUBJECT_PHRASES[s][0]} {PLACE_PHRASES[p][0]}" for p, s in pairs]
    random = np.random.default_rng(plan.seed)
    captions = [caption(scene, random) for scene in drawn.scenes]
    images = torch.from_numpy(np.array(drawn.pictures)).float() / 255
    with torch.inference_mode():
        seen = torch.cat([embed_images(model, part) for part in images.split(64)])
        best = (seen @ embed_texts(model, tokenizer, contents).T).argmax(1).tolist()
        told = embed_texts(model, tokenizer, captions)
    found = [pairs[index] for index in best]
    groups = zip(seen.split(32), told.split(32), strict=True)
    own = torch.cat([(s @ t.T).argmax(1) == torch.arange(len(s)) for s, t in groups])
    places = [f[0] == s.place for f, s in zip(found, drawn.scenes, strict=True)]
    subjects = [f[1] == s.subject for f, s in zip(found, drawn.scenes, strict=True)]
    return [
        Metric("clip", "place top-1", float(np.mean(places)), len(places), "held-out pairs"),
        Metric("clip", "subject top-1", float(np.mean(subjects)), len(subjects)),
        Metric("clip", "caption top-1 of 32", float(own.float().mean()), len(own)),
    ]


def autoencoder_metrics(plan: Plan) -> list[Metric]:
    """Encoded and decoded held-out pictures: noise ratio, and how far the judged emotion moves."""
    drawn = picture_set(plan.pictures, seed=plan.seed, size=plan.size, split="held_out")
    ratios, moved = [], []
    for start in range(0, len(drawn.scenes), BATCH):
        part = np.array(drawn.pictures[start : start + BATCH])
        images = torch.from_numpy(part).float() / 255
        again = autoencoder.decode(autoencoder.encode(images))
        errors = (images - again).square().flatten(1).mean(1)
        ratios += (-10 * errors.log10()).tolist()
        before, after = judge(images), judge(again)
        moved.append(
            torch.stack(
                [
                    (before.valence - after.valence).abs(),
                    (before.arousal - after.arousal).abs(),
                ]
            )
        )
    valence, arousal = torch.cat(moved, dim=1).mean(1).tolist()
    return [
        Metric("autoencoder", "PSNR (dB)", float(np.mean(ratios)), len(ratios)),
        Metric("autoencoder", "judged V moves by", valence, len(ratios)),
        Metric("autoencoder", "judged A moves by", arousal, len(ratios)),
    ]


def grid_points() -> list[tuple[float, float]]:
    """The 25 targets, valence first."""
    return [(valence, arousal) for valence in GRID for arousal in GRID]


def grid_scenes(plan: Plan) -> list[Scene]:
    """Contents of held-out pairs whose prompts the generator gets."""
    random = np.random.default_rng(plan.seed)
    drawn = [sample_scene(random, split="held_out") for _ in range(plan.prompts)]
    return [Scene(s.place, s.subject, NEUTRAL_CUES, s.seed) for s in drawn]


@lru_cache(maxsize=1)
def grid_pictures(plan: Plan) -> Tensor:
    """Generated pictures [prompts * 25, S, S, 3]: neutral words, emotion from the adapter."""
    made = []
    for index, scene in enumerate(grid_scenes(plan)):
        prompt = neutral_prompt(scene, np.random.default_rng((plan.seed, index)))
        points = grid_points()
        made.append(
            generator.generate([prompt] * len(points), emotion=points, seed=index, half=True)
        )
    return torch.cat(made)


def generator_metrics(plan: Plan) -> list[Metric]:
    """By the judge: the 5 x 5 grid through the adapter, and full captions through words alone."""
    scenes = grid_scenes(plan)
    points = grid_points() * len(scenes)
    metrics = plain_metrics(plan)
    metrics += _judged("V-A input", grid_pictures(plan), points, scenes, per_scene=25)
    random = np.random.default_rng(plan.seed + 1)
    told = [sample_scene(random, split="held_out") for _ in range(plan.captions)]
    captions = [caption(scene, random) for scene in told]
    images = torch.cat(
        [
            generator.generate(captions[start : start + BATCH], seed=start, half=True)
            for start in range(0, len(captions), BATCH)
        ]
    )
    return metrics + _judged("words", images, [s.emotion for s in told], told, per_scene=1)


def plain_metrics(plan: Plan) -> list[Metric]:
    """Subject and place of each held-out pair by neutral words alone."""
    pairs = [(p, s) for p in PLACES for s in SUBJECTS if held_out(p, s)]
    images = torch.cat(
        [
            generator.generate(
                [f"{SUBJECT_PHRASES[s][0]} {PLACE_PHRASES[p][0]}"] * plan.plain_noises,
                seed=3, half=True,
            )
            for p, s in pairs
        ]
    )  # fmt: skip
    asked = [pair for pair in pairs for _ in range(plan.plain_noises)]
    return _content_metrics("neutral words", judge(images), asked)


def continuity_metrics(plan: Plan) -> list[Metric]:
    """Nine-point sweeps of each axis at one seed: order of the judged emotion, evenness by CLIP."""
    points = np.linspace(-LIMIT, LIMIT, SWEEP_POINTS).tolist()
    model, _ = load_clip()
    metrics = []
    for axis, name in enumerate(("V", "A")):
        orders, ratios = [], []
        for index, scene in enumerate(grid_scenes(replace(plan, prompts=plan.sweeps))):
            prompt = neutral_prompt(scene, np.random.default_rng((plan.seed, index)))
            images = sweep(prompt, axis, points, seed=index)
            seen = judge(images)
            orders.append(kendall_tau(points, (seen.valence, seen.arousal)[axis].tolist()))
            with torch.inference_mode():
                ratios.append(largest_step_ratio(embed_images(model, images).numpy()))
        metrics += [
            Metric("continuity", f"{name} sweep Kendall tau", float(np.mean(orders)), len(orders)),
            Metric(
                "continuity", f"{name} largest step / mean", float(np.mean(ratios)), len(ratios),
                f"worst {max(ratios):.2f}",
            ),
        ]  # fmt: skip
    return metrics


def sweep(prompt: str, axis: int, points: Sequence[float], *, seed: int) -> Tensor:
    """Pictures [N, S, S, 3] of one noise along an axis (0 valence, 1 arousal), the other at 0."""
    emotions = [(point, 0.0) if axis == 0 else (0.0, point) for point in map(float, points)]
    side = generator.load_generator().config.size // autoencoder.DOWNSCALE
    shape = (1, autoencoder.CHANNELS, side, side)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return generator.generate(
        [prompt] * len(emotions), emotion=emotions, noise=noise.expand(len(emotions), -1, -1, -1)
    )


def _judged(
    note: str,
    images: Tensor,
    targets: list[tuple[float, float]],
    scenes: list[Scene],
    *,
    per_scene: int,
) -> list[Metric]:
    seen = judge(images)
    metrics = []
    for axis, (name, read) in enumerate((("V", seen.valence), ("A", seen.arousal))):
        found = axis_metrics([target[axis] for target in targets], read.tolist())
        constant = f"constant predictor {found.constant_error:.2f}"
        metrics += [
            Metric("generator", f"{name}-Error, {note}", found.error, found.count, constant),
            Metric("generator", f"{name} Spearman, {note}", found.spearman, found.count),
        ]
    gaps = zip(targets, seen.valence.tolist(), seen.arousal.tolist(), strict=True)
    sizes = [math.dist(target, (valence, arousal)) for target, valence, arousal in gaps]
    metrics.append(Metric("generator", f"gap size, {note}", float(np.mean(sizes)), len(sizes)))
    wanted = [(scene.place, scene.subject) for scene in scenes for _ in range(per_scene)]
    return metrics + _content_metrics(note, seen, wanted)


def _content_metrics(note: str, seen: Judgement, wanted: Sequence[tuple[str, str]]) -> list[Metric]:
    """How often the judge sees the place and the subject that were asked for."""
    metrics = []
    places, subjects = zip(*wanted, strict=True)
    for name, named, asked in (
        ("place", seen.places, places),
        ("subject", seen.subjects, subjects),
    ):
        right = [a == b for a, b in zip(named, asked, strict=True)]
        share, told = float(np.mean(right)), worst(asked, right)
        metrics.append(Metric("generator", f"{name} top-1, {note}", share, len(right), told))
    return metrics


def worst(asked: Sequence[str], right: Sequence[bool], *, count: int = 3) -> str:
    """The names that are right least often, with their shares, as "desert 0.40, sea 0.95"."""
    shares = {
        name: float(np.mean([ok for each, ok in zip(asked, right, strict=True) if each == name]))
        for name in sorted(set(asked))
    }
    least = sorted(shares, key=lambda name: shares[name])[:count]
    return ", ".join(f"{name} {shares[name]:.2f}" for name in least)
