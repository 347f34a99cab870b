"""What a picture encoder is fed: pictures resized, cropped and normalised, all in torch.

One differentiable path for every encoder, so that fitting, measuring, the node and training see the
same pixels; a head's file carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import CheckpointError
from ..records.files import parsed

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
COLOURS = {
    "imagenet": IMAGENET,
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "signed": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    # Caffe's means of blue, green, red on 0..255; not divided
    "caffe": (
        (123 / 255, 117 / 255, 104 / 255),
        (1 / 255, 1 / 255, 1 / 255),
    ),
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes an encoder's input.

    Args:
        side: of the square that the encoder sees, in pixels.
        resize: both sides before the centre is cropped; `side` for no crop.
        mean, std: of each channel, red first, for colours in 0..1.
        bgr: blue comes first.
    """

    side: int = 224
    resize: int = 224
    mean: tuple[float, ...] = IMAGENET[0]
    std: tuple[float, ...] = IMAGENET[1]
    bgr: bool = False

    def apply(self, images: Tensor) -> Tensor:
        """Pictures [B, H, W, 3] in 0..1 -> [B, 3, side, side].

        The whole picture is squeezed into a square: what lies at its edge is seen, too.
        """
        pixels = images[..., :3].movedim(-1, 1).float()
        size = (self.resize, self.resize)
        if pixels.shape[-2:] != size:
            pixels = F.interpolate(
                pixels, size=size, mode="bilinear", antialias=True, align_corners=False
            ).clamp(0, 1)
        start = (self.resize - self.side) // 2
        pixels = pixels[..., start : start + self.side, start : start + self.side]
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        pixels = (pixels - mean) / std
        return pixels.flip(1) if self.bgr else pixels

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a file."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, record: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `as_dict`. Raises: KeyError, TypeError, ValueError."""
        return cls(
            side=int(record["side"]),
            resize=int(record["resize"]),
            mean=tuple(map(float, record["mean"])),
            std=tuple(map(float, record["std"])),
            bgr=bool(record["bgr"]),
        )


def folder_preprocessing(folder: Path, side: int) -> Preprocessing:
    """What `preprocessor_config.json` says; `side` and ImageNet's colours without one.

    Raises: CheckpointError: not a JSON table.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return Preprocessing(side=side, resize=side)
    try:
        told = parsed(path.read_text(encoding="utf-8"))
        mean = tuple(map(float, told.get("image_mean") or IMAGENET[0]))
        std = tuple(map(float, told.get("image_std") or IMAGENET[1]))
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is no table of an image processor ({error}). Restore it."
        ) from error
    return Preprocessing(side=side, resize=side, mean=mean, std=std)


def probe() -> Tensor:
    """A fixed picture [1, 64, 64, 3]: what two copies of an encoder must see alike."""
    ramp = torch.linspace(0, 1, 64)
    red, green = torch.meshgrid(ramp, ramp, indexing="ij")
    return torch.stack([red, green, (torch.sin(red * 12) * torch.cos(green * 9) + 1) / 2], -1)[None]
