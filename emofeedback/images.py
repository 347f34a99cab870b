"""Image batches: checks, and conversion to and from compressed pictures."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .errors import ImageError

SMALLEST_SIDE = 8


def check_images(images: object) -> Tensor:
    """The batch as float32 [B, H, W, 3] in 0..1, ready to be scored.

    An alpha channel is laid over white and other float types are converted, since both keep what
    the viewer sees; anything else that is not an image batch is refused.

    Raises: ImageError: no tensor, no picture, wrong shape, too small, or NaN/infinite values.
    """
    if images is None:
        raise ImageError("No images arrived. Connect an IMAGE, for example from VAE Decode.")
    if not isinstance(images, Tensor):
        raise ImageError(
            f"Expected an IMAGE tensor [batch, height, width, 3], got {type(images).__name__}."
        )
    shape = tuple(images.shape)
    if images.ndim != 4 or shape[3] not in (3, 4):
        raise ImageError(
            f"The images have shape {shape}; an IMAGE is [batch, height, width, 3]. "
            "Use VAE Decode's output, or Load Image."
        )
    if shape[0] == 0:
        raise ImageError(
            "The image batch is empty (0 images). Ask for at least one candidate a round."
        )
    if min(shape[1:3]) < SMALLEST_SIDE:
        raise ImageError(
            f"The images are {shape[2]} x {shape[1]} pixels, too small to show an emotion. "
            f"Use pictures of at least {SMALLEST_SIDE} x {SMALLEST_SIDE}."
        )
    pixels = images.float()
    lowest, highest = torch.stack(pixels.aminmax()).tolist()
    if not math.isfinite(lowest) or not math.isfinite(highest):  # NaN is an extreme, too
        count = int((~torch.isfinite(pixels)).flatten(1).any(1).sum())
        raise ImageError(
            f"{count} of {shape[0]} images hold NaN or infinite pixels, usually a half-precision "
            "overflow in the VAE. Decode in fp32 (--fp32-vae) or use another VAE."
        )
    if shape[3] == 4:
        alpha = pixels[..., 3:].clamp(0, 1)
        pixels = pixels[..., :3] * alpha + (1 - alpha)
    elif lowest >= 0 and highest <= 1:
        return pixels
    return pixels.clamp(0, 1)


def to_png(image: Tensor) -> bytes:
    """One picture [H, W, 3] in 0..1 as PNG bytes (lossless at 8 bits, a small part of float32)."""
    pixels = (image.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def from_png(data: bytes) -> Tensor:
    """The picture [H, W, 3] float32 in 0..1 that `to_png` stored."""
    with Image.open(io.BytesIO(data)) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB"))).float() / 255


def thumbnail(png: bytes, side: int, *, quality: int = 85) -> str:
    """A small JPEG of a stored picture as a data URL, no longer than `side` pixels."""
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    stream = io.BytesIO()
    small.save(stream, format="JPEG", quality=quality)
    return data_uri(stream.getvalue(), "jpeg")


def data_uri(data: bytes, kind: str) -> str:
    """A "png" or "jpeg" that is part of a page or a question."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
