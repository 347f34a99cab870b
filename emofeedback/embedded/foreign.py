"""Tells drawn pictures from all others, so that the embedded scorer can warn about what it reads.

A small convolutional network on pictures shrunk to 64 pixels, where a generated picture's softness
no longer shows. It learnt from drawn pictures against synthetic outliers, never from photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        return self.head(self.body(pictures).mean((2, 3)))[:, 0].float()


@dataclass(frozen=True)
class ForeignDetector:
    """The network and the logit above which a picture is foreign."""

    net: ForeignNet
    threshold: float

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """How foreign each picture looks [B]; images [B, H, W, 3] in 0..1, any size."""
        return self.net(shrunk(images))

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
