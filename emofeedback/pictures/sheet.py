"""Contact sheets of pictures and the emotions they were made for: on the plane, or in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, from_numpy

from ..errors import ConfigError
from ..images import check_images, open_picture
from ..records.emotion import LIMIT, Emotion
from ..records.limits import check_choice, check_number
from .theme import LARGEST_SIDE, THEMES

ON_PLANE, IN_ORDER, SORTED = LAYOUTS = ("on the plane", "in order", "sorted")
MOST_PICTURES = 400
SHARE = 0.92
"""Of the way to the nearest neighbour that a picture on the plane fills."""
SMALLEST, LARGEST = 0.5, 1.8
"""Sides of a picture on the plane, in scale points."""
TICKS = (-3.0, -1.5, 0.0, 1.5, 3.0)
LIGHT = THEMES["light"]
GAP = 6
CAPTION = 0.13
"""Height of the line below a picture, of its width."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Where valence and arousal lie on a square sheet.

    Args:
        size: side of the sheet in pixels.
        reach: the value at the edges of the axes.
    """

    size: int
    reach: float

    @property
    def margin(self) -> int:
        """Room for ticks and names, left and below."""
        return round(0.08 * self.size)

    @property
    def scale(self) -> float:
        """Pixels a scale point."""
        return (self.size - self.margin - GAP) / (2 * self.reach)

    def place(self, valence: float, arousal: float) -> tuple[float, float]:
        """Pixels from the left and from the top."""
        return (
            self.margin + (valence + self.reach) * self.scale,
            GAP + (self.reach - arousal) * self.scale,
        )


def emotion_sheet(images: Tensor, emotions: Sequence[Emotion], *, layout: str, size: int) -> Tensor:
    """Pictures with their emotions as one picture.

    Args:
        images: [B, H, W, 3] in 0..1, one for each emotion.
        layout: "on the plane" puts each picture at its valence and arousal, on axes; "in order"
            lays them out row by row with their numbers below; "sorted" does so with arousal
            falling from row to row and valence rising in each.
        size: width in pixels.
    Returns: [1, H', size, 3] float32 in 0..1; square on the plane.
    Raises: ConfigError: another number of pictures than emotions, too many, or a size or layout
        that there is not. ImageError.
    """
    images = check_images(images)
    check_number("size", size, 32, LARGEST_SIDE)
    check_choice("layout", layout, LAYOUTS)
    if len(images) != len(emotions):
        raise ConfigError(
            f"{len(images)} pictures came with {len(emotions)} emotions. Connect the emotions "
            "that the pictures were made for, one each."
        )
    if len(images) > MOST_PICTURES:
        raise ConfigError(
            f"{len(images)} pictures are too many for one sheet, which holds {MOST_PICTURES}. "
            "Take fewer points."
        )
    pictures = [Image.fromarray(p) for p in (images.cpu() * 255).round().byte().numpy()]
    sheet = _LAID_OUT[layout](pictures, emotions, size)
    return from_numpy(np.array(sheet)).float().unsqueeze(0) / 255


def folder_sheet(
    pictures: Sequence[tuple[Path, Emotion]], layout: str, size: int = 2048
) -> Image.Image:
    """Picture files with their emotions as one picture; of more than `MOST_PICTURES`, every n-th.

    Raises: ConfigError: no pictures. ImageError: a file cannot be opened.
    """
    if not pictures:
        raise ConfigError("No picture could be read, so that there is nothing to show on a sheet.")
    step = math.ceil(len(pictures) / MOST_PICTURES)
    shown = pictures[::step]
    side = math.ceil(2 * size / math.sqrt(len(shown)))
    small = [open_picture(path) for path, _ in shown]
    for picture in small:
        picture.thumbnail((side, side))
    return _LAID_OUT[layout](small, [emotion for _, emotion in shown], size)


def plane_order(emotions: Sequence[Emotion], columns: int) -> list[int]:
    """Indices row by row: the most activated above, in each row the most pleasant on the right."""
    falling = sorted(range(len(emotions)), key=lambda index: -emotions[index].arousal)
    rows = (falling[start : start + columns] for start in range(0, len(falling), columns))
    return [i for row in rows for i in sorted(row, key=lambda index: emotions[index].valence)]


def sheet_columns(count: int, tall: float) -> int:
    """Columns of a sheet in order: about square as a whole, and few places left empty.

    Args:
        tall: height of a picture, of its width.
    """
    tall += CAPTION
    square = math.sqrt(count * tall)
    likely = range(max(1, math.floor(square / 1.5)), min(count, math.ceil(1.5 * square)) + 1)

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        empty = 1 - count / (rows * columns)
        return 2 * empty + abs(math.log(rows * tall / columns))

    return min(likely, key=cost)


def picture_side(emotions: Sequence[Emotion]) -> float:
    """How wide a picture on the plane may be, in scale points, before it covers a neighbour.

    Never below `SMALLEST`, which shows something: pictures of denser paths overlap.
    """
    points = np.array(sorted({(each.valence, each.arousal) for each in emotions}))
    if len(points) < 2:
        return LARGEST
    apart = np.abs(points[:, None] - points[None]).max(-1)
    nearest = apart[~np.eye(len(points), dtype=bool)].min()
    return float(min(max(SHARE * nearest, SMALLEST), LARGEST))


def _on_plane(pictures: list[Image.Image], emotions: Sequence[Emotion], size: int) -> Image.Image:
    side = picture_side(emotions)
    plane = Plane(size, LIMIT + max(0.2, side / 2 + 0.05))
    sheet = Image.new("RGB", (size, size), LIGHT.paper)
    _draw_axes(sheet, plane)
    for picture, emotion in zip(pictures, emotions, strict=True):
        longest = max(8, round(side * plane.scale))
        shown = _fitted(picture, longest, longest)
        x, y = plane.place(emotion.valence, emotion.arousal)
        sheet.paste(shown, (round(x - shown.width / 2), round(y - shown.height / 2)))
    return sheet


def _draw_axes(sheet: Image.Image, plane: Plane) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(0.022 * plane.size)
    left, bottom = plane.place(-plane.reach, -plane.reach)
    right, top = plane.place(plane.reach, plane.reach)
    for tick in TICKS:
        x, y = plane.place(tick, tick)
        name = f"{tick:+g}" if tick else "0"
        draw.line([(x, top), (x, bottom)], LIGHT.faint)
        draw.line([(left, y), (right, y)], LIGHT.faint)
        draw.text((x, bottom + GAP), name, LIGHT.ink, font, anchor="mt")
        draw.text((left - GAP, y), name, LIGHT.ink, font, anchor="rm")
    draw.rectangle([(left, top), (right, bottom)], outline=LIGHT.faint)
    middle = ((left + right) / 2, plane.size - GAP)
    draw.text(middle, "valence: unpleasant to pleasant", LIGHT.ink, font, anchor="mb")
    upright = _written("arousal: calm to activated", font).rotate(90, expand=True)
    sheet.paste(upright, (GAP // 2, round((top + bottom - upright.height) / 2)))


def _written(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    _, _, right, bottom = font.getbbox(text)
    line = Image.new("RGB", (math.ceil(right), math.ceil(bottom)), LIGHT.paper)
    ImageDraw.Draw(line).text((0, 0), text, LIGHT.ink, font)
    return line


def _in_order(
    pictures: list[Image.Image], emotions: Sequence[Emotion], size: int, *, by_feeling: bool = False
) -> Image.Image:
    tall = median(picture.height / picture.width for picture in pictures)
    columns = sheet_columns(len(pictures), tall)
    rows = math.ceil(len(pictures) / columns)
    pitch = (size - GAP) / columns
    cell = math.floor(pitch) - GAP
    order = plane_order(emotions, columns) if by_feeling else range(len(pictures))
    shown = [_fitted(picture, cell, max(8, round(tall * cell))) for picture in pictures]
    tallest, line = max(picture.height for picture in shown), max(12, round(CAPTION * cell))
    step = tallest + line + GAP
    sheet = Image.new("RGB", (size, GAP + rows * step), LIGHT.paper)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(0.55 * line)
    for place, index in enumerate(order):
        picture, emotion = shown[index], emotions[index]
        left, top = GAP + round(place % columns * pitch), GAP + place // columns * step
        sheet.paste(picture, (left + (cell - picture.width) // 2, top))
        text = f"{index + 1}   V {emotion.valence:+z.2f}   A {emotion.arousal:+z.2f}"
        draw.text((left + cell / 2, top + tallest + line / 2), text, LIGHT.ink, font, anchor="mm")
    return sheet


def _fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """A picture resized to the largest that fits."""
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


_LAID_OUT: dict[str, Callable[[list[Image.Image], Sequence[Emotion], int], Image.Image]] = {
    ON_PLANE: _on_plane,
    IN_ORDER: _in_order,
    SORTED: partial(_in_order, by_feeling=True),
}
