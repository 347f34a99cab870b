"""Readings and proposals of the shipped models as numbers: `python -m tools.golden`.

Draws a few pictures of the drawn world and writes what the shipped scorer reads in them, and what
its refiner proposes, into tests/golden, where a test compares them. Run it after the weights were
replaced on purpose, and look at the difference before it is committed.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emofeedback.embedded.scorer import load_scorer
from emofeedback.images import from_png, to_png
from emofeedback.reading.base import Scorer
from emofeedback.records.emotion import Emotion
from emofeedback.records.request import RefineRequest
from launcher.places import ROOT
from training.world.render import render
from training.world.scene import sample_scene

PICTURES = ROOT / "tests" / "golden" / "shipped_models.png"
NUMBERS = ROOT / "tests" / "golden" / "shipped_models.json"
SIDE = 128
ASKED = (
    ("a boat on the sea", (-2, 2)),
    ("an old house under a dark storm sky", (2, -1)),
    ("a walker in the park", (1.5, 2.5)),
    ("a deer in the forest", (-1, -2)),
)
"""Prompt and target of each picture, in a row."""


def drawn_row() -> bytes:
    """One picture for each of `ASKED`, side by side, as a PNG."""
    rng = np.random.default_rng(17)
    row = np.concatenate([render(sample_scene(rng), SIDE) for _ in ASKED], axis=1)
    return to_png(torch.from_numpy(row).float() / 255)


def pictures_of(row: bytes) -> Tensor:
    """The pictures of `drawn_row`: [B, H, W, 3] in 0..1."""
    return torch.stack(from_png(row).chunk(len(ASKED), dim=1))


def numbers_of(scorer: Scorer, pictures: Tensor) -> list[dict[str, Any]]:
    """What a scorer reads and proposes, an entry a picture of `ASKED`."""
    readings = scorer.score(pictures)
    refiner = scorer.refiner()
    found = []
    for place, ((prompt, target), reading) in enumerate(zip(ASKED, readings, strict=True)):
        made = refiner.refine(
            RefineRequest(
                artist_prompt=prompt,
                prompt=prompt,
                images=pictures[place : place + 1],
                readings=(reading,),
                target=Emotion(*target),
                best=0,
            )
        )
        felt = (reading.emotion.valence, reading.emotion.arousal, *reading.uncertainty)
        suggested = [suggestion.text for suggestion in made.suggestions]
        numbers = [round(number, 4) for number in felt]
        found.append({"read": numbers, "prompt": made.prompt, "suggestions": suggested})
    return found


def main() -> None:
    """Writes both files."""
    PICTURES.write_bytes(drawn_row())
    numbers = numbers_of(load_scorer(), pictures_of(PICTURES.read_bytes()))
    NUMBERS.write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
