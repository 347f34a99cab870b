"""Seams and sharpness of generated pictures, divided by those of drawings of the same captions.

A network that paints in patches leaves steps of brightness where they meet: steps whose place has
one phase of the patch's period are larger than the others. Blurring would hide them, hence the
energy of fine detail beside them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from emofeedback.embedded import generator

from ..world.captions import caption
from ..world.render import render
from ..world.scene import sample_scene
from .plan import Metric, Plan

PERIODS = (8, 16, 32)
LUMINANCE = (0.299, 0.587, 0.114)
FINE = 0.25
"""Cycles a pixel above which detail is fine; half of what a picture can hold."""
BATCH = 25


def look_metrics(plan: Plan) -> list[Metric]:
    """The largest of all seams, and fine detail, of `plan.looked` captions of held-out pairs."""
    random = np.random.default_rng(plan.seed + 2)
    scenes = [sample_scene(random, split="held_out") for _ in range(plan.looked)]
    words = [caption(scene, random) for scene in scenes]
    drawn = torch.from_numpy(np.stack([render(scene, plan.size) for scene in scenes])).float() / 255
    made = torch.cat(
        [
            generator.generate(words[start : start + BATCH], seed=start)
            for start in range(0, len(words), BATCH)
        ]
    )
    seams = {key: value / seam_ratios(drawn)[key] for key, value in seam_ratios(made).items()}
    worst = max(seams, key=lambda key: seams[key])
    detail = fine_energy(made) / fine_energy(drawn)
    return [
        Metric("look", "largest seam, against drawings", seams[worst], len(scenes),
               f"{worst[0]}, every {worst[1]} pixels"),
        Metric("look", "fine detail, against drawings", detail, len(scenes)),
    ]  # fmt: skip


def seam_ratios(pictures: Tensor) -> dict[tuple[str, int], float]:
    """Mean step of luminance at the phase where it is largest over that at the median phase.

    Args:
        pictures: [B, H, W, 3] in 0..1.
    Returns: of ("rows" or "columns", period in pixels).
    """
    light = pictures @ torch.tensor(LUMINANCE)
    steps = {
        "rows": light.diff(dim=1).abs().mean((0, 2)),
        "columns": light.diff(dim=2).abs().mean((0, 1)),
    }
    ratios = {}
    for direction, sizes in steps.items():
        for period in PERIODS:
            phases = torch.stack([sizes[phase::period].mean() for phase in range(period)])
            ratios[direction, period] = float(phases.max() / phases.median())
    return ratios


def fine_energy(pictures: Tensor) -> float:
    """Mean power of luminance [B, H, W, 3] at more than `FINE` cycles a pixel."""
    light = pictures @ torch.tensor(LUMINANCE)
    power = torch.fft.fft2(light).abs().square().mean(0)
    rows, columns = (torch.fft.fftfreq(side).abs() for side in light.shape[1:])
    fine = torch.maximum(rows[:, None], columns[None, :]) > FINE
    return float(power[fine].mean())
