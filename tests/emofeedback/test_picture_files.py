"""Pictures from disk: every format, mode and turn as people see it, or a typed error."""

import io
import random
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
import torch
from PIL import Image

from emofeedback.errors import ImageError
from emofeedback.images import FORMATS, load_picture, open_picture

RED, BLUE = (200, 30, 30), (30, 30, 200)


def two_halves(size=(80, 40)) -> Image.Image:
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (size[0] // 2, 0, *size))
    return picture


def stored(picture: Image.Image, kind: str, **more) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **more)
    return stream.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(open_picture(data)).astype(int)


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_gives_the_same_picture(kind, tmp_path):
    (tmp_path / "no_suffix").write_bytes(stored(two_halves(), kind))
    found = load_picture(tmp_path / "no_suffix")
    assert found.shape == (1, 40, 80, 3)
    for place, colour in ((5, RED), (75, BLUE)):
        assert (found[0, 20, place] * 255 - torch.tensor(colour)).abs().max() < 8


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("turn", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))]
)
def test_a_picture_stands_upright(kind, turn, corner):
    mark = Image.new("RGB", (80, 40), "white")
    mark.paste("black", (0, 0, 16, 16))  # the stored upper left corner
    exif = Image.Exif()
    exif[0x0112] = turn
    found = pixels(stored(mark, kind, exif=exif))
    assert found.shape[:2] == ((40, 80) if turn in (1, 3) else (80, 40))
    assert found[corner].max() < 40 and found.mean() > 200


def test_metadata_that_cannot_be_read_turns_nothing():
    data = stored(two_halves(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert pixels(data).shape == (40, 80, 3)


def transparent(mode: str) -> tuple[Image.Image, dict]:
    """Left half clear, right half black."""
    clear = np.zeros((10, 20), bool)
    clear[:, :10] = True
    if mode in ("RGBA", "LA"):
        picture = Image.new(mode, (20, 10))
        picture.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
        return picture, {}
    if mode == "I;16":
        return Image.fromarray(np.where(clear, 513, 0).astype(np.uint16)), {"transparency": 513}
    grey = Image.fromarray(np.where(clear, 7, 0).astype(np.uint8))
    if mode == "P":
        palette = Image.new("P", (20, 10))
        palette.putpalette([0] * 768)
        palette.paste(7, (0, 0, 10, 10))
        return palette, {"transparency": 7}
    return grey.convert(mode), {"transparency": 7 if mode == "L" else (7, 7, 7)}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "I;16"])
def test_what_is_transparent_lies_over_white(mode):
    picture, more = transparent(mode)
    found = pixels(stored(picture, "PNG", **more))
    assert found[:, :10].min() == 255 and found[:, 10:].max() == 0


def test_sixteen_bits_and_floats_keep_their_values():
    ramp = np.linspace(0, 1, 256)[None].repeat(16, 0)
    whole = Image.fromarray((ramp * 65535).round().astype(np.uint16))
    for data in (
        stored(whole, "PNG"),
        stored(whole, "TIFF"),
        stored(Image.fromarray(ramp.astype(np.float32)), "TIFF"),
    ):
        assert np.abs(pixels(data)[..., 0] - ramp * 255).max() <= 0.51
    for wrong, told in (
        (Image.fromarray((ramp * 255).astype(np.float32)), "float pixels from 0 to 255"),
        (Image.fromarray((ramp + np.nan).astype(np.float32)), "float pixels from nan"),
        (Image.fromarray((ramp * 1e9).astype(np.int32)), "whole numbers of 32 bits"),
    ):
        with pytest.raises(ImageError, match=told):
            open_picture(stored(wrong, "TIFF"))


def png_header(width: int, height: int) -> bytes:
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + data + end


def webp_header(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + sides
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("header", [png_header, webp_header])
@pytest.mark.parametrize("size", [(20000, 10000), (11000, 11000)])
def test_size_is_limited_before_anything_is_decoded(header, size):
    with pytest.raises(ImageError, match=r"120 megapixels"):
        open_picture(header(*size))


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n"


@pytest.mark.parametrize("data", [EPS, b"", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"no picture"])
def test_what_is_no_picture_of_ours_is_refused(data, tmp_path):
    with pytest.raises(ImageError, match="Save it anew as one of PNG, JPEG"):
        open_picture(data)
    with pytest.raises(ImageError, match="missing.png cannot be opened"):
        open_picture(tmp_path / "missing.png")


@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_is_typed():
    dice = random.Random(5)
    whole = [stored(two_halves((24, 16)), kind) for kind in FORMATS]
    for _ in range(900):
        data = bytearray(dice.choice(whole))
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with suppress(ImageError):
            assert open_picture(bytes(data[: dice.randint(1, len(data))])).mode == "RGB"
