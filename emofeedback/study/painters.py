"""The embedded generator as a system's painter."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor

from ..embedded import generator
from ..records.emotion import Emotion


class Painter:
    """A generate callable; what several systems ask for is painted once and its time remembered."""

    def __init__(self, emotion: Emotion | None, *, steps: int = 20) -> None:
        self.steps = steps
        self.felt = None if emotion is None else (emotion.valence, emotion.arousal)
        self.saved = 0.0
        """Seconds that painting would have taken where an earlier system had done it."""

    def take_aim(self, aim: Emotion) -> None:
        """What the next pictures' V-A input is."""
        self.felt = (aim.valence, aim.arousal)

    def __call__(self, prompts: Sequence[str], seed: int) -> Tensor:
        """Pictures [B, H, W, 3], one a prompt, of one seed."""
        started = time.perf_counter()
        images, seconds = _painted(tuple(prompts), seed, self.felt, self.steps)
        self.saved += seconds - (time.perf_counter() - started)
        return images


@lru_cache(maxsize=64)
def _painted(
    prompts: tuple[str, ...], seed: int, felt: tuple[float, float] | None, steps: int
) -> tuple[Tensor, float]:
    started = time.perf_counter()
    emotion = None if felt is None else [felt] * len(prompts)
    images = generator.generate(list(prompts), emotion=emotion, seed=seed, steps=steps, half=True)
    return images, time.perf_counter() - started
