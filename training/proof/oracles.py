"""What limits the loop: parts of it that know what nobody knows, one at a time.

The reader's oracle is the judge. The refiner's paints some pictures of each prompt that its own
refiner thinks of, lets the judge look at them, and takes the prompt that brings most; the aim's
does so with emotions about the target. Their pictures are not counted: nobody could use them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from emofeedback.loop.driver import Generate
from emofeedback.reading.base import Scorer
from emofeedback.records.emotion import LIMIT, Emotion, clipped_emotion
from emofeedback.records.reading import Reading
from emofeedback.records.refinement import Refinement
from emofeedback.records.request import RefineRequest
from emofeedback.refining.base import Refiner
from emofeedback.study.painters import Painter
from emofeedback.study.systems import BY_AIM, System
from emofeedback.study.trials import Judge, Judged

from ..world.judge import judge

READER, REFINER, AIM = "reader", "refiner", "aim"
REFINED = {
    f"loop, {told}": System(name=f"loop, {told}", refiner=kind, rewrite_first=True)
    for kind, told in (("embedded", "LVLM refiner"), ("rules", "rule refiner"))
}
ORACLES = (
    System(name="best of 12, oracle scorer", oracle=READER),
    *(
        replace(loop, name=f"{name}, oracle {told}", oracle=part)
        for part, told in ((READER, "scorer"), (REFINER, "of prompts"))
        for name, loop in REFINED.items()
    ),
    replace(BY_AIM, name="loop by aim, oracle of the aim", oracle=AIM),
)
LIMITS = tuple((each.name, each.name.rpartition(", oracle")[0]) for each in ORACLES)
"""Each oracle and the system that it knows more than."""
TRIED, EACH, SEED = 4, 4, 7_000_000
"""Prompts that are looked at, pictures of each, and their seed, which no trial has."""
STEPS = (-0.8, 0.0, 0.8)
"""Distance of the aims that are looked at from the target, on each axis in scale points."""


class JudgeScorer(Scorer):
    """The judge as a scorer."""

    name = "judge"

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture [B, H, W, 3]."""
        felt = [clipped_emotion(seen.valence, seen.arousal)[0] for seen in feelings(images)]
        return [Reading(emotion=e, uncertainty=(0.3, 0.3), model=self.name) for e in felt]


def feelings(images: Tensor) -> list[Judged]:
    """What the judge feels in pictures [B, H, W, 3]."""
    seen = judge(images)
    felt = zip(seen.valence.tolist(), seen.arousal.tolist(), strict=True)
    return [Judged(valence, arousal) for valence, arousal in felt]


class KnowingRefiner(Refiner):
    """Of the prompts that a refiner thinks of, the one whose pictures come nearest.

    Args:
        inner: who thinks of them.
        paint, look: how pictures are made and what is felt in them.
    """

    def __init__(self, inner: Refiner, paint: Generate, look: Judge = feelings) -> None:
        self.inner, self.paint, self.look = inner, paint, look
        self.name = f"{inner.name}, oracle"

    def refine(self, request: RefineRequest) -> Refinement:
        """As the inner one; the words as they are also count."""
        ranked = self.inner.ranked(request)
        kept = Refinement(prompt=request.prompt, refiner=self.name)
        by_prompt = {made.prompt: made for made in (kept, *reversed(ranked[:TRIED]))}
        best = min(
            by_prompt.values(),
            key=lambda made: mean_gap(made.prompt, request.target, self.paint, self.look),
        )
        return replace(best, tokens=ranked[0].tokens)


class KnowingPainter(Painter):
    """A painter whose V-A input is the best of those about the target, whatever aim it is told."""

    def __init__(self, target: Emotion, *, steps: int = 20, look: Judge = feelings) -> None:
        super().__init__(target, steps=steps)
        self.target, self.look, self.known = target, look, False

    def take_aim(self, aim: Emotion) -> None:
        """Nothing: it knows better."""

    def __call__(self, prompts: Sequence[str], seed: int) -> Tensor:
        """Pictures [B, H, W, 3], one a prompt, of one seed."""
        if not self.known:
            self.felt = min(aims_about(self.target), key=lambda felt: self._gap(prompts[0], felt))
            self.known = True
        return super().__call__(prompts, seed)

    def _gap(self, prompt: str, felt: tuple[float, float]) -> float:
        paint = Painter(Emotion(*felt), steps=self.steps)
        return mean_gap(prompt, self.target, paint, self.look)


def aims_about(target: Emotion) -> list[tuple[float, float]]:
    """The target itself first, then the others about it, within the scale."""
    steps = sorted(itertools.product(STEPS, repeat=2), key=lambda step: math.hypot(*step))
    moved = np.array([target.valence, target.arousal]) + np.array(steps)
    found = [tuple(point) for point in moved.clip(-LIMIT, LIMIT).tolist()]
    return [(valence, arousal) for valence, arousal in dict.fromkeys(found)]


def mean_gap(prompt: str, target: Emotion, paint: Generate, look: Judge) -> float:
    """Mean gap size of some pictures of a prompt."""
    seen = look(paint([prompt] * EACH, SEED))
    gaps = [target.gap_from(clipped_emotion(s.valence, s.arousal)[0]).size for s in seen]
    return float(np.mean(gaps))
