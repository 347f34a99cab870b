"""`python -m training.proof input`: what the V-A input really does, and how it is read.

Neutral prompts are painted at a grid of inputs. For each axis: how far pictures move for a point of
the input in the middle and near the rim (saturation), by the judge and by the scorer, and by how
much the scorer reads past the judge (its bias). That is what an aim has to undo.
"""

from __future__ import annotations

import argparse
import logging

import numpy as np

from emofeedback.embedded.scorer import load_scorer
from emofeedback.records.emotion import LIMIT, Emotion
from emofeedback.study.painters import Painter

from ..world.judge import judge
from .loop import proof_pairs

log = logging.getLogger(__name__)
LEVELS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
MIDDLE = 1.0
"""Inputs to this distance from neutral are the middle, those beyond the rim."""
AXES = ("valence", "arousal")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--seed", type=int, default=950_000)
    parser.add_argument("--steps", type=int, default=20, help="of the sampler")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> int:
    """Paints, reads, judges and tells."""
    import torch
    from tqdm import tqdm

    torch.set_num_threads(args.threads)
    inputs, seen, read = [], [], []
    for pair in tqdm(proof_pairs(args.prompts, args.seed), desc="prompts"):
        for axis in (0, 1):
            for level in LEVELS:
                felt = (level, 0.0) if axis == 0 else (0.0, level)
                image = Painter(Emotion(*felt), steps=args.steps)([pair.prompt], pair.seed)
                found = judge(image)
                inputs.append((axis, level))
                seen.append((float(found.valence[0]), float(found.arousal[0])))
                emotion = load_scorer().score(image)[0].emotion
                read.append((emotion.valence, emotion.arousal))
    log.info("%s", input_table(inputs, seen, read))
    return 0


def input_table(
    inputs: list[tuple[int, float]],
    seen: list[tuple[float, float]],
    read: list[tuple[float, float]],
) -> str:
    """Gains and bias as Markdown.

    Args:
        inputs: which axis was moved, and to where; the other one was 0.
        seen, read: valence and arousal of the picture, judged and read.
    """
    rows = [
        "| axis | gain in the middle | at the rim | as the scorer reads: middle | rim "
        "| scorer minus judge | of it at the rim |",
        "| --- " * 7 + "|",
    ]
    for axis, name in enumerate(AXES):
        own = np.array([moved == axis for moved, _ in inputs])
        level = np.array([at for _, at in inputs])[own]
        judged, told = (np.asarray(each)[own, axis] for each in (seen, read))
        middle = np.abs(level) <= MIDDLE
        gains = [
            f"{gain(level[part], values[part], rim=rim):.2f}"
            for values in (judged, told)
            for part, rim in ((middle, False), (~middle | (np.abs(level) == MIDDLE), True))
        ]
        off = told - judged
        far = np.abs(level) == LIMIT
        rows.append(
            f"| {name} | " + " | ".join(gains) + f" | {off.mean():+.2f} | "
            f"{(off[far] * np.sign(level[far])).mean():+.2f} |"
        )
    return "\n".join(rows)


def gain(level: np.ndarray, values: np.ndarray, *, rim: bool) -> float:
    """Points that pictures move for a point of the input, by least squares.

    Args:
        rim: both sides apart, each with its own start, so that what lies between does not count.
    """
    if not rim:
        return float(np.polyfit(level, values, 1)[0])
    return float(np.mean([np.polyfit(level[s], values[s], 1)[0] for s in (level > 0, level < 0)]))
