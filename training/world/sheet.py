"""Contact sheets: the world over the valence-arousal plane, every place with every subject, or the
examples by which heads on picture encoders know drawn pictures."""

import argparse
import logging
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from emofeedback.embedded.examples import COLUMNS, ROWS, SIDE
from emofeedback.refining.cues import content_effect

from .dataset import scene_at
from .render import render
from .scene import NEUTRAL_CUES, Scene, sample_cues
from .vocabulary import PLACES, SUBJECTS

logger = logging.getLogger(__name__)

AXIS = (-3.0, -1.5, 0.0, 1.5, 3.0)
EXAMPLE_SEED = 77
_GAP = 4
_MARGIN = 56
_PAPER = (250, 248, 243)
_INK = (60, 56, 52)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m training.world sheet`."""
    parser.add_argument("output", type=Path, metavar="OUT.png")
    parser.add_argument("--subjects", action="store_true", help="every place x every subject")
    parser.add_argument("--examples", action="store_true", help="bare tiles, as the library ships")
    parser.add_argument("--place", choices=PLACES, help="draw this place only")
    parser.add_argument("--subject", choices=SUBJECTS, help="draw this subject only")
    parser.add_argument("--size", type=int, default=160, help="pixels per picture")
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> int:
    """Draws the sheet that the options ask for and tells where it is."""
    if options.examples:
        sheet = example_sheet()
    elif options.subjects:
        sheet = subject_sheet(size=options.size, seed=options.seed)
    else:
        sheet = plane_sheet(
            size=options.size, seed=options.seed, place=options.place, subject=options.subject
        )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(options.output, optimize=True, quality=92)
    logger.info("%s: %d x %d pixels", options.output, sheet.width, sheet.height)
    return 0


def example_sheet() -> Image.Image:
    """Scenes by lot, side by side, as `emofeedback.embedded.examples` cuts them apart."""
    sheet = Image.new("RGB", (COLUMNS * SIDE, ROWS * SIDE))
    for number in range(COLUMNS * ROWS):
        scene = scene_at(number, seed=EXAMPLE_SEED, split="any")
        tile = Image.fromarray(render(scene, size=SIDE))
        sheet.paste(tile, (number % COLUMNS * SIDE, number // COLUMNS * SIDE))
    return sheet


def plane_sheet(
    *, size: int = 160, seed: int = 0, place: str | None = None, subject: str | None = None
) -> Image.Image:
    """5 x 5 pictures: valence grows to the right, arousal upwards; random content if not given."""
    rng = np.random.default_rng(seed)
    pictures = []
    for arousal in reversed(AXIS):
        for valence in AXIS:
            where = place or PLACES[rng.integers(len(PLACES))]
            what = subject or SUBJECTS[rng.integers(len(SUBJECTS))]
            content = content_effect(where, what)
            cues = sample_cues(rng, emotion=(valence, arousal), content=content)
            scene = Scene(where, what, cues, int(rng.integers(2**31)))
            pictures.append(render(scene, size))
    columns = [f"{value:+g}" if value else "0" for value in AXIS]
    sheet = tile(pictures, columns=columns, rows=columns[::-1])
    draw = ImageDraw.Draw(sheet)
    draw.text((sheet.width / 2, sheet.height - 8), "valence", _INK, anchor="md")
    draw.text((4, _MARGIN - 30), "arousal", _INK)
    return sheet


def subject_sheet(*, size: int = 160, seed: int = 0) -> Image.Image:
    """Every place (rows) with every subject (columns), without any cue."""
    pictures = [
        render(Scene(place, subject, NEUTRAL_CUES, seed + number), size)
        for number, (place, subject) in enumerate((p, s) for p in PLACES for s in SUBJECTS)
    ]
    return tile(pictures, columns=list(SUBJECTS), rows=list(PLACES))


def tile(pictures: list[np.ndarray], *, columns: list[str], rows: list[str]) -> Image.Image:
    """One image of pictures [H, W, 3], given row by row, with names at the top and the left."""
    height, width = pictures[0].shape[:2]
    sheet = Image.new(
        "RGB",
        (_MARGIN + len(columns) * (width + _GAP), _MARGIN + len(rows) * (height + _GAP)),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        x = _MARGIN + column * (width + _GAP)
        draw.text((x + width / 2, _MARGIN - 6 - _MARGIN // 2), name, _INK, anchor="md")
    for row, name in enumerate(rows):
        y = _MARGIN // 2 + row * (height + _GAP)
        draw.text((_MARGIN - 6, y + height / 2), name, _INK, anchor="rm")
        for column in range(len(columns)):
            x = _MARGIN + column * (width + _GAP)
            sheet.paste(Image.fromarray(pictures[row * len(columns) + column]), (x, y))
    return sheet
