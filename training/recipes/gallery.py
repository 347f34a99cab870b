"""`python -m training.world gallery FOLDER`: contact sheets of what the embedded generator draws.

For eyes, not for numbers: subject, place and mood should be recognised without the caption.
"""

import argparse
import logging
import random
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from emofeedback.embedded import generator
from emofeedback.records.files import write_json

from ..world.scene import held_out
from ..world.sheet import AXIS, tile
from ..world.vocabulary import PLACE_PHRASES, PLACES, SUBJECTS
from .measure_makers import sweep

log = logging.getLogger(__name__)
PLANE_PROMPT = "a boat on the sea"
SWEEP_PROMPTS = ("a cat in the forest", "a car in the city", "a bird in the snowfield")
SWEEP_POINTS = np.linspace(-3, 3, 9).tolist()
EYES_SEED, EYES_SIDE = 20261130, 256
MOODS = {
    "pleasant and activated": (1.8, 1.8),
    "pleasant and calm": (1.8, -1.8),
    "unpleasant and activated": (-1.8, 1.8),
    "unpleasant and calm": (-1.8, -1.8),
    "neutral": (0.0, 0.0),
}
"""What fresh eyes choose from, and the point that is asked for."""
WORDS = (
    "a dog on the beach, under a rainbow, with party balloons",
    "a house in the village, in steady rain, among old graves, in muted grey colours",
    "a horse in a meadow, in bright sun rays, leaping high, in vivid colours",
    "a boat on the sea, under a dark storm sky, with lightning bolts, reeling",
    "a tree in the snowfield, at night, by moonlight, with paper lanterns",
    "a person in the city, in flashing neon light, in whirling confetti",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m training.world gallery`."""
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=128, help="pixels per picture on the sheet")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--eyes", action="store_true",
        help="instead forty shuffled pictures without captions, and eyes.json with what they show",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Draws the four sheets, or the two for fresh eyes."""
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.eyes:
        return eyes_sheets(options.folder, EYES_SEED)
    sheets = {
        "embedded-pairs.jpg": pairs_sheet(options.size, options.seed),
        "embedded-plane.jpg": plane_sheet(options.size, options.seed),
        "embedded-sweeps.jpg": sweeps_sheet(options.size, options.seed),
        "embedded-chance.jpg": chance_sheet(options.size, options.seed),
    }
    for name, sheet in sheets.items():
        sheet.save(options.folder / name, quality=88)
        log.info("%s: %d x %d pixels", options.folder / name, sheet.width, sheet.height)
    return 0


def pairs_sheet(size: int, seed: int) -> Image.Image:
    """The fourteen held-out pairs by neutral words, and six prompts that name cues."""
    pairs = [(p, s) for s in SUBJECTS for p in PLACES if held_out(p, s)]
    prompts = [f"a {subject} {PLACE_PHRASES[place][0]}" for place, subject in pairs]
    pictures = generator.generate([*prompts, *WORDS], seed=seed)
    return tile(_shown(pictures, size), columns=[""] * 5, rows=[""] * 4)


def plane_sheet(size: int, seed: int) -> Image.Image:
    """One neutral prompt and noise at the 25 points of the grid: the emotion comes by V-A alone."""
    columns = [f"{value:+g}" if value else "0" for value in AXIS]
    pictures: list[np.ndarray] = []
    for arousal in reversed(AXIS):
        points = [(valence, arousal) for valence in AXIS]
        pictures += _shown(
            generator.generate([PLANE_PROMPT] * len(points), emotion=points, seed=seed), size
        )
    return tile(pictures, columns=columns, rows=columns[::-1])


def sweeps_sheet(size: int, seed: int) -> Image.Image:
    """Nine points of valence and of arousal, one noise a row."""
    pictures: list[np.ndarray] = []
    for axis in (0, 1):
        for prompt in SWEEP_PROMPTS:
            pictures += _shown(sweep(prompt, axis, SWEEP_POINTS, seed=seed), size)
    columns = [f"{value:+.2f}" for value in SWEEP_POINTS]
    return tile(pictures, columns=columns, rows=["V"] * 3 + ["A"] * 3)


def chance_sheet(size: int, seed: int) -> Image.Image:
    """One prompt that names no cue, with twenty noises: what is left to chance."""
    pictures = generator.generate([PLANE_PROMPT] * 20, seed=seed)
    return tile(_shown(pictures, size), columns=[""] * 5, rows=[""] * 4)


def eyes_sheets(folder: Path, seed: int) -> int:
    """Two sheets of twenty, row by row, whose subject, place and mood somebody shall name."""
    lot = random.Random(seed)  # noqa: S311  a lottery of pictures
    asked = [
        {"place": lot.choice(PLACES), "subject": lot.choice(SUBJECTS), "mood": mood}
        for mood in MOODS
        for _ in range(8)
    ]
    lot.shuffle(asked)
    shown: list[np.ndarray] = []
    for start in range(0, len(asked), 10):
        part = asked[start : start + 10]
        prompts = [f"a {each['subject']} {PLACE_PHRASES[each['place']][0]}" for each in part]
        points = [MOODS[each["mood"]] for each in part]
        shown += _shown(generator.generate(prompts, emotion=points, seed=900 + start), EYES_SIDE)
    for number, start in enumerate((0, 20), 1):
        sheet = tile(shown[start : start + 20], columns=[""] * 5, rows=[""] * 4)
        sheet.save(folder / f"eyes-{number}.png")
    write_json(folder / "eyes.json", asked)
    return 0


def _shown(pictures: Tensor, size: int) -> list[np.ndarray]:
    bytes_of = (pictures * 255).round().byte().numpy()
    small = (Image.fromarray(p).resize((size, size), Image.Resampling.LANCZOS) for p in bytes_of)
    return [np.asarray(picture) for picture in small]
