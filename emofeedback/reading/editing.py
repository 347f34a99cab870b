"""A scorer for pictures that are edited: what it reads beside how much of the original is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ImageError
from ..images import check_images
from ..records.reading import Reading
from ..refining.base import Refiner
from ..refining.instructions import InstructionRefiner
from ..refining.rules import RuleRefiner
from .base import Scorer

SIDE = 256
"""Pictures are compared at this side: what an edit does to finer grain is no loss."""
WINDOW = 17
"""Side of the squares that are compared, in pixels of `SIDE`."""
FLAT = 0.02
"""Contrast (standard deviation of luminance) of a square without anything in it to keep."""
_LUMINANCE = (0.2126, 0.7152, 0.0722)


def kept_share(original: Tensor, edits: Tensor) -> Tensor:
    """How much of the shapes in a picture each edit keeps, whatever became of light and colour.

    In small squares, the luminances of both pictures are correlated: brighter, darker, tinted or
    of less contrast, even inverted as by night, a square keeps what it shows. Squares count by the
    original's contrast.

    Args:
        original: [1, H, W, 3] float in 0..1.
        edits: [B, H', W', 3]; stretched to the same square.
    Returns: [B] in 0..1; 1 for the same picture, about a quarter for unrelated ones.
    """
    before, after = _luminance(original), _luminance(edits)
    mean_b, mean_a = _blurred(before), _blurred(after)
    variance_b = (_blurred(before**2) - mean_b**2).clamp(min=0)
    variance_a = (_blurred(after**2) - mean_a**2).clamp(min=0)
    shared = (_blurred(before * after) - mean_b * mean_a).abs()
    alike = shared / (variance_b * variance_a + FLAT**4 / 16).sqrt()
    weight = (variance_b.sqrt() - FLAT).clamp(min=0) + 1e-6
    return ((alike.clamp(max=1) * weight).sum((1, 2, 3)) / weight.sum()).clamp(0, 1)


class EditScorer(Scorer):
    """Reads edits of one picture: `content` is the share of it that they keep.

    Args:
        scorer: reads, explains, and writes instructions; the rules write where it cannot.
        original: [1, H, W, 3] float in 0..1, the picture that is edited.
    Raises: ImageError: more than one picture.
    """

    def __init__(self, scorer: Scorer, original: Tensor) -> None:
        original = check_images(original)
        if len(original) != 1:
            raise ImageError(
                f"{len(original)} pictures came as the original; edits are compared with one. "
                "Take one of the batch."
            )
        self.scorer, self.original = scorer, original
        self.name, self.abilities = scorer.name, scorer.abilities | {"refine"}

    @cached_property
    def reading(self) -> Reading:
        """What the scorer reads from the original. Raises: ImageError, ScorerError."""
        (reading,) = self.scorer.score(self.original)
        return reading

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """The scorer's readings; the prompt is an instruction, which no picture shows."""
        del prompt
        return self._compared(images, self.scorer.score(images))

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As `score`, with what the scorer tells of each picture."""
        del prompt
        return self._compared(images, self.scorer.explain(images))

    def read_text(self, prompt: str) -> Reading:
        """The scorer's."""
        return self.scorer.read_text(prompt)

    def refiner(self) -> Refiner:
        """Writes instructions. Raises: ImageError, ScorerError: the original cannot be read."""
        able = "refine" in self.scorer.abilities
        inner = self.scorer.refiner() if able else RuleRefiner()
        return InstructionRefiner(inner, self.original, self.reading)

    def _compared(self, images: Tensor, readings: Sequence[Reading]) -> list[Reading]:
        kept = kept_share(self.original, check_images(images)).tolist()
        return [replace(r, content=share) for r, share in zip(readings, kept, strict=True)]


def _luminance(images: Tensor) -> Tensor:
    """[B, 1, SIDE, SIDE] of pictures [B, H, W, 3]."""
    grey = images.detach().float().cpu() @ torch.tensor(_LUMINANCE)
    return F.interpolate(grey[:, None], (SIDE, SIDE), mode="bilinear", antialias=True)


def _blurred(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, WINDOW, stride=1)
