"""Tells drawn pictures from all others, so that a scorer of them can warn about what it reads.

A small convolutional network on pictures shrunk to 64 pixels, where a generated picture's softness
no longer shows. It learnt from drawn pictures against synthetic outliers, never from photographs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..images import check_images
from ..reading.base import Scorer
from ..records.reading import Reading
from ..refining.base import Refiner
from .weights import FOLDER, fill, read_weights

FILE = "drawn_foreign.safetensors"
SIZE = 64
WIDTHS = (24, 48, 96, 128)
FOREIGN_WARNING = (
    "This picture does not look like one of the drawn world, the only pictures that the embedded "
    "scorer knows: do not rely on this reading. Load a scorer that knows photographs."
)


class ForeignNet(nn.Module):
    """Logit [B] of being foreign, of pictures [B, 3, 64, 64] in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width, stride in (*((width, 2) for width in WIDTHS), (WIDTHS[-1], 1)):
            layers += [
                nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            before = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(before, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        result: Tensor = self.head(self.body(pictures).mean((2, 3)))[:, 0].float()
        return result


@dataclass(frozen=True)
class ForeignDetector:
    """The network and the logit above which a picture is foreign."""

    net: ForeignNet
    threshold: float

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """How foreign each picture looks [B]; images [B, H, W, 3] in 0..1, any size."""
        result: Tensor = self.net(shrunk(images))
        return result

    def foreign(self, images: Tensor) -> list[bool]:
        """Whether each picture is foreign."""
        return (self.logits(images) > self.threshold).tolist()


def shrunk(images: Tensor) -> Tensor:
    """Pictures [B, H, W, 3] of any size as [B, 3, 64, 64], each pixel a mean of those it covers."""
    pictures = images.permute(0, 3, 1, 2).float()
    mode = "area" if min(pictures.shape[-2:]) >= SIZE else "bilinear"
    return F.interpolate(pictures, (SIZE, SIZE), mode=mode)


@lru_cache(maxsize=2)
def load_detector(folder: Path = FOLDER) -> ForeignDetector:
    """The shipped detector, loaded once.

    Raises: CheckpointError: its file is missing or damaged.
    """
    tensors, _ = read_weights(FILE, folder)
    threshold = float(tensors.pop("threshold", torch.tensor(0.0)))
    return ForeignDetector(fill(ForeignNet(), tensors, FILE), threshold)


class ForeignAware(Scorer):
    """A scorer that warns in the reading of each foreign picture.

    Args:
        scorer: reads, explains and refines.
        detector: tells which pictures are foreign.
        content: how surely pictures [B, H, W, 3] show a prompt, [B] in 0..1.
    """

    def __init__(
        self, scorer: Scorer, detector: ForeignDetector, *, content: Callable[[Tensor, str], Tensor]
    ) -> None:
        self.scorer, self.detector, self.content = scorer, detector, content
        self.name, self.abilities = scorer.name, scorer.abilities

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """The scorer's readings with warnings, and with `content` where there is a prompt."""
        return self._noted(self.scorer.score, images, prompt)

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As `score`, with what the scorer tells of each picture."""
        return self._noted(self.scorer.explain, images, prompt)

    def read_text(self, prompt: str) -> Reading:
        """The scorer's."""
        return self.scorer.read_text(prompt)

    def refiner(self) -> Refiner:
        """The scorer's."""
        return self.scorer.refiner()

    def _noted(
        self, read: Callable[[Tensor], list[Reading]], images: Tensor, prompt: str | None
    ) -> list[Reading]:
        started = time.perf_counter()
        images = check_images(images)
        odd = self.detector.foreign(images)
        shown: list[float | None] = [None] * len(odd)
        if prompt and prompt.strip():
            shown = self.content(images, prompt).tolist()
        seconds = (time.perf_counter() - started) / len(odd)
        return [
            replace(
                reading,
                content=content,
                warnings=(*reading.warnings, *([FOREIGN_WARNING] if foreign else [])),
                seconds=reading.seconds + seconds,
            )
            for reading, foreign, content in zip(read(images), odd, shown, strict=True)
        ]
