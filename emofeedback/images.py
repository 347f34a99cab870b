"""Image batches: checks, and conversion to and from compressed pictures, our own and people's."""

from __future__ import annotations

import base64
import binascii
import io
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .errors import ImageError

SMALLEST_SIDE = 8
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
"""What is opened; others would start foreign programs or read sizes late."""
MOST_PIXELS = 120_000_000
_ORDERS_OF_16_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_OVERSHOOT = 1.0
"""How far float pixels may leave 0..1, as resampling makes them, before their white is unknown."""


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
    return _pixels(open_picture(data))


def load_picture(path: Path, side: int = 512) -> Tensor:
    """A picture file as IMAGE [1, H, W, 3] in 0..1, as `open_picture`, no longer than `side`.

    Raises: ImageError: as `open_picture`.
    """
    picture = open_picture(path)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _pixels(picture)[None]


def open_picture(source: Path | bytes) -> Image.Image:
    """A picture as people see it: RGB, 8 bits, upright, what is transparent laid over white.

    PNG, JPEG, WebP, GIF, TIFF and BMP are opened, the first frame of each; 16 bits are rounded to
    8, float pixels run from 0 (black) to 1 (white).

    Raises: ImageError: another format, damaged, over `MOST_PIXELS` (told before it is decoded), or
        pixels whose white is not known.
    """
    name = str(source) if isinstance(source, Path) else "The picture"
    try:
        stream = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
        with stream:
            _check_size(name, *_webp_size(stream.read(30)))
            stream.seek(0)
            with Image.open(stream, formats=FORMATS) as opened:
                _check_size(name, *opened.size)
                opened.load()
                return _over_white(_in_8_bits(name, _upright(opened), opened.format))
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(
            f"{name} cannot be opened as a picture ({type(error).__name__}: {str(error)[:200]}). "
            f"Save it anew as one of {', '.join(FORMATS)}, of at most {MOST_PIXELS // 10**6} "
            "megapixels."
        ) from error


def thumbnail(png: bytes, side: int, *, quality: int = 85) -> str:
    """A small JPEG of a stored picture as a data URL, no longer than `side` pixels."""
    small = open_picture(png)
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    stream = io.BytesIO()
    small.save(stream, format="JPEG", quality=quality)
    return data_uri(stream.getvalue(), "jpeg")


def from_data_uri(uri: str) -> Tensor:
    """The picture [H, W, 3] float32 in 0..1 of a base64 data URI; nothing is fetched.

    Raises: ImageError: no such URI, or as `open_picture`.
    """
    head, _, data = uri.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        raise ImageError(f"The picture {uri[:40]!r} is no data:image/...;base64 URI.")
    try:
        return from_png(base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise ImageError(f"The picture's base64 cannot be read ({error}).") from error


def data_uri(data: bytes, kind: str) -> str:
    """A "png" or "jpeg" that is part of a page or a question."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).float() / 255


def _check_size(name: str, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ImageError(
            f"{name} has {width} x {height} pixels, over {MOST_PIXELS // 10**6} megapixels. "
            "Make it smaller first: it is read at a small size."
        )


def _webp_size(head: bytes) -> tuple[int, int]:
    """Width and height of a WebP file, whose decoder takes its memory when opened; (0, 0) else."""
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return 0, 0
    if head[12:16] == b"VP8X":
        sides = head[24:27], head[27:30]
        return 1 + int.from_bytes(sides[0], "little"), 1 + int.from_bytes(sides[1], "little")
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(head[26:28], "little") & 0x3FFF, head[28] | (head[29] & 0x3F) << 8


def _upright(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF says; one that cannot be read turns nothing."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # noqa: BLE001  the pixels are there, and each kind of metadata fails anew
        return picture.copy()


def _in_8_bits(name: str, picture: Image.Image, kind: str | None) -> Image.Image:
    """Grey of 16 bits or of floats, which Pillow would cut at 255, as 8 bits; others as they are.

    Raises: ImageError: floats outside 0..1, NaN, or whole numbers of 32 bits.
    """
    if picture.mode not in (*_ORDERS_OF_16_BITS, "I", "F"):
        return picture
    values = np.asarray(picture).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if picture.mode == "F":
        if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):
            raise ImageError(
                f"{name} holds float pixels from {low:g} to {high:g}; they should run from 0 "
                "(black) to 1 (white). Save it with 8 or 16 bits."
            )
        white = 1.0
    elif picture.mode != "I" or kind == "PNG":  # no PNG has more; older Pillows widen it
        white = 65535.0
    else:
        raise ImageError(
            f"{name} holds whole numbers of 32 bits, of which none is said to be white. "
            "Save it with 8 or 16 bits."
        )
    grey = Image.fromarray((values.clip(0, white) / white * 255).round().astype(np.uint8))
    clear = picture.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def _over_white(picture: Image.Image) -> Image.Image:
    bands = picture.getbands()
    if not ("A" in bands or "a" in bands or "transparency" in picture.info):
        return picture.convert("RGB")
    clear = picture.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(white, clear).convert("RGB")
