"""Measurements of the models that read pictures: judge, vision-language model, foreign detector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emofeedback.embedded.foreign import load_detector
from emofeedback.embedded.scorer import load_lvlm, load_scorer
from emofeedback.errors import EmoFeedbackError, ScorerAnswerError
from emofeedback.images import open_picture
from emofeedback.lvlm.answers import read_reasoned, read_rewrite
from emofeedback.lvlm.base import Ask, unwatched
from emofeedback.lvlm.prompts import load_prompt
from emofeedback.plane.metrics import axis_metrics
from emofeedback.records.emotion import from_scale
from emofeedback.refining.cues import FAMILIES, CueLevel, named_cues

from ..world.dataset import PictureSet, picture_set
from ..world.judge import judge
from ..world.scene import Scene
from .augment import augment
from .lvlm_tasks import EXPLAIN, Lesson, levels_of, refine_lesson
from .plan import Metric, Plan
from .repainted import repainted_set


def unseen(plan: Plan, split: str = "held_out") -> PictureSet:
    """Drawn pictures that no recipe has trained on."""
    return picture_set(plan.pictures, seed=plan.seed, size=plan.size, split=split)


def repainted(plan: Plan, split: str = "held_out") -> Tensor:
    """The pictures of `unseen` as the generator paints them, [B, S, S, 3] in 0..1."""
    painted = repainted_set(plan.pictures, seed=plan.seed, size=plan.size, split=split)
    assert painted is not None
    return as_images(painted.pictures)


def as_images(pictures: np.ndarray) -> Tensor:
    """Bytes -> IMAGE [B, H, W, 3] in 0..1."""
    return torch.from_numpy(np.array(pictures)).float() / 255


def emotion_metrics(
    role: str, readings: Sequence[Sequence[float]], scenes: list[Scene], note: str
) -> list[Metric]:
    """Error, constant predictor and rank correlation on each axis."""
    metrics = []
    for axis, name in enumerate(("V", "A")):
        found = axis_metrics([s.emotion[axis] for s in scenes], [r[axis] for r in readings])
        metrics += [
            Metric(
                role,
                f"{name}-Error {note}",
                found.error,
                found.count,
                f"constant predictor {found.constant_error:.2f}",
            ),
            Metric(role, f"{name} Spearman {note}", found.spearman, found.count),
        ]
    return metrics


def judge_metrics(plan: Plan) -> list[Metric]:
    """On unseen pictures, crisp, degraded, and repainted by the generator."""
    drawn = unseen(plan, "any")
    degraded = augment(np.array(drawn.pictures), np.random.default_rng(plan.seed), clean=0.0)
    metrics = []
    sets = {
        "crisp": as_images(drawn.pictures),
        "degraded": degraded,
        "repainted": repainted(plan, "any"),
    }
    for note, images in sets.items():
        seen = judge(images)
        felt = torch.stack([seen.valence, seen.arousal], 1).tolist()
        metrics += emotion_metrics("judge", felt, drawn.scenes, note)
        for name, found in (("place", seen.places), ("subject", seen.subjects)):
            right = [a == getattr(s, name) for a, s in zip(found, drawn.scenes, strict=True)]
            metrics.append(
                Metric("judge", f"{name} top-1 {note}", float(np.mean(right)), len(right))
            )
    return metrics


def lvlm_metrics(plan: Plan) -> list[Metric]:
    """Expected-value readings of held-out pairs, and what the model writes by itself."""
    drawn = unseen(plan)
    images = as_images(drawn.pictures)
    metrics = _read_metrics(images, drawn.scenes, "expected value")
    metrics += _read_metrics(repainted(plan), drawn.scenes, "repainted")
    count = min(plan.answers, len(drawn.scenes))
    metrics += _explain_metrics(images[:count], drawn.scenes[:count])
    return metrics + _refine_metrics(images[:count], drawn.scenes[:count], plan.seed)


def _read_metrics(images: Tensor, scenes: list[Scene], note: str) -> list[Metric]:
    readings = [r for part in images.split(32) for r in load_scorer().score(part)]
    felt = [(r.emotion.valence, r.emotion.arousal) for r in readings]
    metrics = emotion_metrics("lvlm", felt, scenes, note)
    for axis, name in enumerate(("V", "A")):
        inside = [
            abs(f[axis] - s.emotion[axis]) <= r.uncertainty[axis]
            for f, s, r in zip(felt, scenes, readings, strict=True)
        ]
        share = float(np.mean(inside))
        named = f"{name} within 1 sd, {note}"
        metrics.append(Metric("lvlm", named, share, len(inside), "honest: 0.68"))
    return metrics


def _explain_metrics(images: Tensor, scenes: list[Scene]) -> list[Metric]:
    told, felt, hits, named, true = [], [], 0, 0, 0
    for image, scene in zip(images, scenes, strict=True):
        try:
            read = read_reasoned(_written(image, load_prompt(EXPLAIN)))
        except ScorerAnswerError:
            continue
        told.append(scene)
        felt.append([from_scale(d, "sam9") for d in (read.valence, read.arousal)])
        truth = {level.label for level in levels_of(scene) if not level.neutral}
        found = {cue.name for cue in read.cues}
        hits, named, true = hits + len(truth & found), named + len(found), true + len(truth)
    metrics = [Metric("lvlm", "explain parse rate", len(told) / len(scenes), len(scenes))]
    if not told:
        return metrics
    f1 = 2 * hits / max(1, named + true)
    metrics += emotion_metrics("lvlm", felt, told, "free-running")
    return [*metrics, Metric("lvlm", "cue F1", f1, len(told))]


def _refine_metrics(images: Tensor, scenes: list[Scene], seed: int) -> list[Metric]:
    """How much of the wanted change the written clause would bring, by the cue table."""
    parsed, before, after = 0, [], []
    for index, (image, scene) in enumerate(zip(images, scenes, strict=True)):
        lesson: Lesson = refine_lesson(scene, np.random.default_rng((seed, index)))
        try:
            clause = read_rewrite(_written(image, lesson.prompt)).clause
        except ScorerAnswerError:
            continue
        parsed += 1
        ideal = _total(named_cues(read_rewrite(lesson.answer).clause))
        before.append(math.dist(ideal, scene.emotion))
        after.append(math.dist(ideal, _total(named_cues(clause))))
    metrics = [Metric("lvlm", "refine parse rate", parsed / len(scenes), len(scenes))]
    if parsed:
        note = f"unchanged cues {np.mean(before):.2f}"
        metrics.append(Metric("lvlm", "refine distance", float(np.mean(after)), parsed, note))
    return metrics


def _written(image: Tensor, question: str) -> str:
    """What the model answers by itself about one picture."""
    lvlm = load_lvlm()
    (answer,) = lvlm.write([Ask(image, question, lvlm.prompts.longest)], unwatched)
    return answer.text


def _total(levels: tuple[CueLevel, ...]) -> tuple[float, float]:
    assert len(levels) == len(FAMILIES)
    return sum(level.valence for level in levels), sum(level.arousal for level in levels)


def foreign_metrics(plan: Plan) -> list[Metric]:
    """Share of drawn, generated and photographed pictures that are warned about."""
    from .measure_makers import grid_pictures

    detector = load_detector()
    drawn = as_images(unseen(plan, "any").pictures)
    metrics = [_warned("drawn", detector.foreign(drawn), "at most 0.02")]
    try:
        metrics.append(_warned("generated", detector.foreign(grid_pictures(plan)), "rare"))
    except EmoFeedbackError as error:
        metrics.append(Metric("foreign", "generated warned", float("nan"), 0, str(error)[:60]))
    photographs = _photographs(plan)
    if photographs is None:
        note = f"no pictures in {plan.photographs}"
        return [*metrics, Metric("foreign", "photographs warned", float("nan"), 0, note)]
    return [*metrics, _warned("photographs", detector.foreign(photographs), "at least 0.9")]


def _warned(kind: str, odd: list[bool], note: str) -> Metric:
    return Metric("foreign", f"{kind} warned", float(np.mean(odd)), len(odd), note)


def _photographs(plan: Plan) -> Tensor | None:
    from PIL import Image

    files = sorted(plan.photographs.glob("*.jpg")) if plan.photographs.is_dir() else []
    if not files:
        return None
    side = (2 * plan.size, 2 * plan.size)
    opened = (open_picture(file) for file in files)
    return torch.stack(
        [torch.from_numpy(np.array(p.resize(side, Image.Resampling.LANCZOS))) for p in opened]
    ).float().div(255)  # fmt: skip
