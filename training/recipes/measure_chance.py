"""What the generator leaves to chance, and what a named cue shifts, beside the world's own draw."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from torch import Tensor

from emofeedback.embedded import autoencoder, generator
from emofeedback.refining.cues import FAMILIES, UNNAMED, CueLevel

from ..world.judge import judge
from ..world.render import render
from ..world.scene import Scene, held_out, sample_unnamed
from ..world.vocabulary import PLACE_PHRASES, PLACES, SUBJECTS
from .plan import Metric, Plan

BATCH = 32
CLOSE = 0.25
"""How far a named cue's shift may lie from the table, in points of the scale."""
AXES = ("V", "A")
Content = tuple[str, str]
"""Place and subject."""


def chance_metrics(plan: Plan) -> list[Metric]:
    """Judged deviation of many pictures of one prompt, and how far each named cue shifts them."""
    contents = [(p, s) for s in SUBJECTS for p in PLACES if held_out(p, s)][: plan.chance_prompts]
    made = torch.stack([_painted(*content, "", plan.chance_noises) for content in contents])
    drawn = torch.stack([_drawn(content, plan) for content in contents])
    metrics = [
        Metric("chance", f"{axis}-deviation of one prompt's pictures", spread, made[..., 0].numel(),
               f"drawn afresh {world:.2f}, ratio {spread / world:.2f}")
        for axis, spread, world in zip(AXES, _spread(made), _spread(drawn), strict=True)
    ]  # fmt: skip
    return metrics + _shift_metrics(contents, plan)


def _shift_metrics(contents: list[Content], plan: Plan) -> list[Metric]:
    """Each cue named in a prompt against the bare prompt from the same noise."""
    place, subject = contents[0]
    plain = _painted(place, subject, "", plan.shift_noises)
    labels, missed = [], []
    for level in chain(*FAMILIES.values()):
        seen = _painted(place, subject, level.phrases[0], plan.shift_noises)
        labels.append(level.label)
        missed.append(((seen - plain).mean(0) - _promised(level)).abs())
    misses = torch.stack(missed)
    metrics = []
    for axis, each in zip(AXES, misses.T, strict=True):
        within = float((each <= CLOSE).float().mean())
        note = f"{within:.0%} within {CLOSE}; worst {each.max():.2f}: {labels[int(each.argmax())]}"
        name = f"{axis}-shift of a named cue misses the table by"
        metrics.append(Metric("chance", name, float(each.mean()), len(misses), note))
    return metrics


def _promised(level: CueLevel) -> Tensor:
    mean = UNNAMED[level.family].level
    return torch.tensor([level.valence - mean.valence, level.arousal - mean.arousal])


def _spread(read: Tensor) -> list[float]:
    """Root of the mean variance within prompts, of readings [prompts, pictures, 2]."""
    result: list[float] = read.var(1).mean(0).sqrt().tolist()
    return result


def _painted(place: str, subject: str, phrase: str, count: int) -> Tensor:
    """Judged valence and arousal [count, 2] of generated pictures, a noise each."""
    prompt = f"a {subject} {PLACE_PHRASES[place][0]}" + (f", {phrase}" if phrase else "")
    side = generator.load_generator().config.size // autoencoder.DOWNSCALE
    source = torch.Generator().manual_seed(SUBJECTS.index(subject))
    noise = torch.randn((count, autoencoder.CHANNELS, side, side), generator=source)
    parts = [
        generator.generate([prompt] * len(part), noise=part, half=True)
        for part in noise.split(BATCH)
    ]
    return _read(torch.cat(parts))


def _drawn(content: Content, plan: Plan) -> Tensor:
    """As `_painted`, of drawings whose cues are all left to chance."""
    random = np.random.default_rng((plan.seed, SUBJECTS.index(content[1])))
    scenes = [
        Scene(*content, sample_unnamed(random), int(random.integers(2**31)))
        for _ in range(plan.chance_noises)
    ]
    pictures = np.stack([render(scene, plan.size) for scene in scenes])
    return _read(torch.from_numpy(pictures).float() / 255)


def _read(pictures: Tensor) -> Tensor:
    seen = judge(pictures)
    return torch.stack([seen.valence, seen.arousal], dim=1)
