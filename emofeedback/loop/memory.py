"""What earlier runs read and wrote, so that nothing is made twice: readings, rewritten prompts.

A memory is bounded, lives as long as the process, and is asked by keys that name everything that
went into the answer. What came from memory has cost nothing: its seconds and tokens are 0. Pictures
are too large for it: see `drawn_rounds.py`.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ..reading.base import Scorer
from ..reading.scorer import UNEXPLAINED
from ..records.reading import Reading, measured
from ..records.refinement import Refinement
from ..records.request import RefineRequest
from ..records.state import RoundRecord
from ..refining.base import Refiner

READINGS = 4096  # pictures
REFINEMENTS = 1024

V = TypeVar("V")


class Bounded(Generic[V]):
    """The values used last, as far as their sizes allow; safe to use from several threads.

    Args:
        most: of all sizes together; a value that is larger alone is not kept.
    """

    def __init__(self, most: int) -> None:
        self._most, self._total = most, 0
        self._values: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> V | None:
        """The value, None where it is unknown or was dropped."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def keep(self, key: Hashable, value: V, size: int = 1) -> None:
        """Keeps a value in the place of an older one; what was not used for longest is dropped."""
        with self._lock:
            self._total += size - self._values.pop(key, (None, 0))[1]
            self._values[key] = value, size
            while self._total > self._most:
                self._total -= self._values.popitem(last=False)[1][1]


@dataclass(frozen=True, slots=True)
class LoopMemory:
    """Readings of batches, refinements of requests."""

    readings: Bounded[list[Reading]] = field(default_factory=lambda: Bounded(READINGS))
    refinements: Bounded[Refinement] = field(default_factory=lambda: Bounded(REFINEMENTS))


class RememberingScorer(Scorer):
    """Reads as another scorer does, and every batch of pictures once.

    Args:
        signature: names the scorer and all its settings.
    """

    def __init__(self, scorer: Scorer, memory: LoopMemory, signature: str) -> None:
        self._scorer, self._memory, self._signature = scorer, memory, signature
        self.name, self.abilities = scorer.name, scorer.abilities

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As the scorer reads. Raises: what it raises; then nothing is kept."""
        key = self._signature, "score", prompt, _pixels(images)
        known = self._memory.readings.get(key)
        if known is not None:
            return _free(known)
        readings = self._scorer.score(images, prompt=prompt)
        self._memory.readings.keep(key, readings, len(readings))
        return list(readings)

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As the scorer explains; an explanation that failed is asked for again the next time."""
        key = self._signature, "explain", prompt, _pixels(images)
        known = self._memory.readings.get(key)
        if known is not None:
            return _free(known)
        readings = self._scorer.explain(images, prompt=prompt)
        if not any(told.startswith(UNEXPLAINED) for each in readings for told in each.warnings):
            self._memory.readings.keep(key, readings, len(readings))
        return list(readings)

    def read_text(self, prompt: str) -> Reading:
        """As the scorer reads it, each time anew."""
        return self._scorer.read_text(prompt)

    def refiner(self) -> Refiner:
        """The scorer's own."""
        return self._scorer.refiner()


class RememberingRefiner(Refiner):
    """Rewrites as another refiner does, and every request once.

    Args:
        signature: names the refiner and all its settings.
    """

    def __init__(self, refiner: Refiner, memory: LoopMemory, signature: str) -> None:
        self._refiner, self._memory, self._signature = refiner, memory, signature
        self.name, self.several = refiner.name, refiner.several

    def refine(self, request: RefineRequest) -> Refinement:
        """As the refiner rewrites; where another had to step in, it is asked again next time."""
        key = self._signature, _question(request)
        known = self._memory.refinements.get(key)
        if known is not None:
            return replace(known, seconds=0.0, tokens=0)
        refinement = self._refiner.refine(request)
        if refinement.refiner == self.name:
            self._memory.refinements.keep(key, refinement)
        return refinement

    def ranked(self, request: RefineRequest) -> list[Refinement]:
        """As the refiner does, each time anew."""
        return self._refiner.ranked(request)

    def refine_several(self, request: RefineRequest, count: int) -> list[Refinement]:
        """As the refiner does, each time anew."""
        return self._refiner.refine_several(request, count)


def _free(readings: list[Reading]) -> list[Reading]:
    return [replace(reading, seconds=0.0, tokens=0) for reading in readings]


def _pixels(images: Tensor) -> str:
    """Names pictures by what 8 bits keep of them: drawn and remembered ones are then the same."""
    seen = hashlib.sha256(repr(tuple(images.shape)).encode())
    for image in images.detach():  # one by one: a round's copies would be gigabytes
        pixels = (image.float().clamp(0, 1) * 255).round().to(torch.uint8)
        seen.update(pixels.cpu().contiguous().numpy().tobytes())
    return seen.hexdigest()


def _question(request: RefineRequest) -> str:
    """Names all that a refiner may look at, but for what it cost."""
    history = [
        (record.prompts, record.best, _free(measured(record.readings)), _clause(record), record.aim)
        for record in request.history
    ]
    asked = (
        request.artist_prompt,
        request.prompt,
        request.target,
        request.best,
        request.aim,
        request.prompts,
    )
    text = repr((asked, _free(list(request.readings)), history, _pixels(request.images)))
    return hashlib.sha256(text.encode()).hexdigest()


def _clause(record: RoundRecord) -> str:
    return record.refinement.prompt if record.refinement else ""
