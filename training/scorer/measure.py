"""How far a scorer reads from the truth on pictures it was not trained on, before and after."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from emofeedback.plane.metrics import paired_difference
from emofeedback.records.files import write_json

from ..settings.scorer import ScorerConfig
from .data import Example, drawn_examples, prompts_of
from .together import Together

if TYPE_CHECKING:
    from emofeedback.lvlm.local import TransformersLvlm

log = logging.getLogger(__name__)
HELD_OUT_SEED = 7_000_000
BEFORE_FILE = "before.json"
Reader = Callable[[Tensor], tuple[float, float]]
"""Valence and arousal of one picture [1, H, W, 3] in 0..1."""


def held_out_examples(
    examples: Sequence[Example], config: ScorerConfig, *, seed: int
) -> tuple[list[Example], list[Example]]:
    """What to train on and what to measure on.

    Drawn pictures are measured on held-out pairs of place and subject; of rated ones
    `scorer.held_out` are set aside, at most a fifth.
    """
    if not config.data:
        return list(examples), drawn_examples(config.held_out, seed=HELD_OUT_SEED, split="held_out")
    order = np.random.default_rng((seed, 6)).permutation(len(examples))
    count = min(config.held_out, len(examples) // 5)
    held_out, trained = order[:count], order[count:]
    return [examples[i] for i in sorted(trained)], [examples[i] for i in sorted(held_out)]


def first_gaps(folder: Path, among: Together, measure: Callable[[], np.ndarray]) -> np.ndarray:
    """What `measure` finds before the training; measured once in a run and kept in its folder."""
    path = folder / BEFORE_FILE
    if among.processes.any(path.is_file()):
        return np.asarray(json.loads(path.read_text(encoding="utf-8")))
    gaps = measure()
    if among.first:
        write_json(path, gaps.tolist())
    return gaps


def held_out_gaps(
    model: Any, processor: Any, examples: Sequence[Example], config: ScorerConfig, among: Together
) -> np.ndarray:
    """Absolute gaps [N, 2] of expected-value readings, as the nodes read and ask."""
    read = _reader(model.eval(), processor, config)

    def gap(example: Example) -> np.ndarray:
        image = torch.from_numpy(np.array(example.image)).float().unsqueeze(0) / 255
        truth = example.emotion.valence, example.emotion.arousal
        return np.asarray(np.subtract(read(image), truth))

    return np.asarray(np.abs(among.measured(examples, gap, "held-out pictures")))


def report(
    before: np.ndarray, after: np.ndarray, folder: Path, what: str = "mean absolute gap"
) -> None:
    """Say and store how the held-out error changed.

    Args:
        before, after: [N, axes] of the same pictures.
    """
    change = paired_difference(after.mean(1).tolist(), before.mean(1).tolist())
    numbers = {
        "mae_before": float(before.mean()),
        "mae_after": float(after.mean()),
        "change": change.mean,
        "low": change.low,
        "high": change.high,
        "pictures": change.count,
    }
    write_json(folder / "table.json", numbers)
    log.info(
        "%s on %d held-out pictures: %.3f before, %.3f after (%+.1f %%), paired "
        "95 %% interval [%+.3f, %+.3f]",
        what, change.count, before.mean(), after.mean(), 100 * change.mean / before.mean(),
        change.low, change.high,
    )  # fmt: skip


def trained_lvlm(model: Any, processor: Any, config: ScorerConfig) -> TransformersLvlm:
    """A model in training as everything else asks it."""
    from emofeedback.embedded.scorer import load_lvlm
    from emofeedback.lvlm.local import TransformersLvlm

    if not config.path:
        processor = replace(load_lvlm().processor, tokenizer=processor.tokenizer)
    return TransformersLvlm(model, processor, "scorer in training", prompts_of(config))


def _reader(model: Any, processor: Any, config: ScorerConfig) -> Reader:
    from emofeedback.reading.scorer import LvlmScorer

    scorer = LvlmScorer(trained_lvlm(model, processor, config))

    def read(image: Tensor) -> tuple[float, float]:
        emotion = scorer.score(image)[0].emotion
        return emotion.valence, emotion.arousal

    return read
