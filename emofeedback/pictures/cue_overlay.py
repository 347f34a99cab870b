"""Pictures with the cues that a scorer named: boxes where it told where, a list below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import ConfigError
from ..images import check_images
from ..records.limits import check_number
from ..records.reading import Cue, Outcome, Reading
from .boxes import Place, place_of
from .theme import LARGEST_SIDE, Theme, theme_named

if TYPE_CHECKING:
    from PIL import ImageFont

MOST_CUES = 8
LETTERS = 0.034  # height of the text, as a share of the picture's width
LINE = 1.45  # line height, in letters


@dataclass(frozen=True, slots=True)
class Sheet:
    """What all pages of a batch share; widths and heights in pixels."""

    width: int
    letters: int
    lines: int
    font: ImageFont.FreeTypeFont
    colours: Theme

    @property
    def list_height(self) -> int:
        return round((self.lines * LINE + 1) * self.letters)


def cue_pictures(
    images: Tensor, readings: Sequence[Outcome], *, size: int = 768, theme: str = "light"
) -> Tensor:
    """Each picture that has cues, with numbered boxes on it and the list of its cues below.

    Args:
        images: [B, H, W, 3] in 0..1.
        readings: one an image, from a scorer that was asked to explain.
        size: width of the result in pixels.
    Returns: [N, H', size, 3] in 0..1, pictures without a cue left out; all pages are as high as
        the longest list asks.
    Raises: ConfigError: counts differ, or no reading names a cue. ImageError: unusable images.
    """
    images, colours = check_images(images), theme_named(theme)
    check_number("size", size, 32, LARGEST_SIDE)
    if len(images) != len(readings):
        raise ConfigError(
            f"{len(images)} images came with {len(readings)} readings. Connect the same images "
            "here and to the node that made the readings."
        )
    told = {
        index: reading
        for index, reading in enumerate(readings)
        if isinstance(reading, Reading) and shown_cues(reading)
    }
    if not told:
        raise ConfigError(
            "No reading names a visible cue. Switch 'explain' on where the pictures are read; a "
            "loop explains the best picture of each round."
        )
    letters = max(11, round(size * LETTERS))
    font = _font(letters)
    texts = {i: _list_lines(reading, font, size - 2 * letters) for i, reading in told.items()}
    sheet = Sheet(size, letters, max(map(len, texts.values())), font, colours)
    pages = [_page(images[i], reading, texts[i], sheet) for i, reading in told.items()]
    return torch.stack(pages)


def shown_cues(reading: Reading) -> tuple[Cue, ...]:
    """The cues that a page has room for, each once."""
    return tuple(dict.fromkeys(cue for cue in reading.cues if cue.name))[:MOST_CUES]


def _list_lines(reading: Reading, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [str(reading.emotion)]
    for number, cue in enumerate(shown_cues(reading), 1):
        direction = f": {cue.direction}" if cue.direction else ""
        where = "" if place_of(cue.where) else f" ({cue.where or 'place not told'})"
        lines += _wrapped(f"{number} {cue.name}{direction}{where}", font, width)
    return lines


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """At most two lines; what does not fit is cut with an ellipsis."""
    letters = int(1.5 * width / font.getlength("n"))  # more than fit, of any text
    while True:
        lines = textwrap.wrap(text, letters, subsequent_indent="   ", max_lines=2, placeholder="…")
        if letters <= 10 or max(map(font.getlength, lines)) <= width:
            return lines
        letters -= 1


def _page(image: Tensor, reading: Reading, lines: list[str], sheet: Sheet) -> Tensor:
    pixels = (image.cpu().numpy() * 255).round().astype(np.uint8)
    height = round(sheet.width * pixels.shape[0] / pixels.shape[1])
    picture = Image.fromarray(pixels).resize((sheet.width, height), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (sheet.width, height + sheet.list_height), sheet.colours.paper)
    page.paste(picture, (0, 0))
    draw = ImageDraw.Draw(page)
    places = {n: place_of(cue.where) for n, cue in enumerate(shown_cues(reading), 1)}
    frames = {n: _frame(place, n, sheet.width, height) for n, place in places.items() if place}
    for frame in frames.values():
        _draw_frame(draw, frame, sheet)
    for number, frame in frames.items():
        _draw_number(draw, frame, number, sheet)
    for row, line in enumerate(lines):
        ink = sheet.colours.path if row == 0 else sheet.colours.ink
        at = (sheet.letters, height + (0.5 + row * LINE) * sheet.letters)
        draw.text(at, line, fill=ink, font=sheet.font)
    return torch.from_numpy(np.asarray(page).astype(np.float32) / 255)


def _line_width(width: int) -> int:
    return max(2, width // 256)


def _frame(place: Place, number: int, width: int, height: int) -> tuple[float, ...]:
    """Corners in pixels; frames of one place would hide each other, so each lies further inside."""
    line = _line_width(width)
    wanted = line * (1 + 2 * (number - 1))
    left, top = place.left * width, place.top * height
    right, bottom = place.right * width - 1, place.bottom * height - 1
    inset = max(0.0, min(wanted, (right - left) / 2 - 2 * line, (bottom - top) / 2 - 2 * line))
    return left + inset, top + inset, max(right, left) - inset, max(bottom, top) - inset


def _draw_frame(draw: ImageDraw.ImageDraw, frame: tuple[float, ...], sheet: Sheet) -> None:
    line = _line_width(sheet.width)
    draw.rectangle(frame, outline="white", width=2 * line)  # shows on dark pictures
    draw.rectangle(frame, outline=sheet.colours.target, width=line)


def _draw_number(
    draw: ImageDraw.ImageDraw, frame: tuple[float, ...], number: int, sheet: Sheet
) -> None:
    """The cue's number on its frame; numbers of frames that share a corner stand in a row."""
    left, top, right, _ = frame
    side = 1.5 * sheet.letters
    left = min(left + (number - 1) * side * 1.1, max(left, right - side))
    draw.rectangle((left, top, left + side, top + side), fill=sheet.colours.target)
    middle = (left + side / 2, top + side / 2)
    draw.text(middle, str(number), fill="white", font=sheet.font, anchor="mm")


def _font(letters: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: it knows more scripts than Pillow's own font."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", letters)
