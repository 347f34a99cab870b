"""What a head is worth on themes it never saw: beside a constant and beside colours, by theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..plane.metrics import spearman
from .calibration import pearson, theme_folds

Array = NDArray[np.float64]
AXES = ("valence", "arousal")
DRAWS = 500


@dataclass(frozen=True, slots=True)
class Worth:
    """One axis on held-out themes.

    Args:
        pearson, spearman, error: of the readings; error in scale points.
        low, high: 95 % of Pearson's r when themes are drawn again.
        constant_error: of the other themes' mean. colour_pearson: of colour statistics.
        within: share of ratings within the stated standard deviation; honest is 0.68.
    """

    pearson: float
    low: float
    high: float
    spearman: float
    error: float
    constant_error: float
    colour_pearson: float
    within: float

    def as_dict(self) -> dict[str, float]:
        """Rounded plain values."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def colour_statistics(images: Tensor) -> Tensor:
    """[B, 9]: mean and deviation of red, green, blue, then of brightness, and mean saturation."""
    pixels = images[..., :3].flatten(1, 2)
    bright = pixels.amax(2)
    saturation = (bright - pixels.amin(2)) / bright.clamp(min=1e-3)
    shown = (pixels.mean(1), pixels.std(1), bright.mean(1, True), bright.std(1, keepdim=True))
    return torch.cat([*shown, saturation.mean(1, True)], 1)


def worth(
    ratings: Array, read: Array, spread: Array, colours: Array, themes: Sequence[str], seed: int = 0
) -> dict[str, Worth]:
    """Both axes; all arrays [N, 2] but the colours [N, C]."""
    folds = theme_folds(themes, seed=seed)
    found = {}
    for axis, name in enumerate(AXES):
        true, said = ratings[:, axis], read[:, axis]
        mean, by_colour = np.empty_like(true), np.empty_like(true)
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(true)), fold)
            mean[fold] = true[rest].mean()
            by_colour[fold] = _linear(colours[rest], true[rest], colours[fold])
        missed = np.abs(true - said)
        found[name] = Worth(
            pearson(true, said),
            *interval_by_theme(true, said, themes),
            spearman(true.tolist(), said.tolist()),
            float(missed.mean()),
            float(np.abs(true - mean).mean()),
            pearson(true, by_colour),
            float((missed <= spread[:, axis]).mean()),
        )
    return found


def interval_by_theme(true: Array, said: Array, themes: Sequence[str]) -> tuple[float, float]:
    """95 % interval of r when whole themes are drawn with replacement."""
    rng = np.random.default_rng(0)
    names, place = np.unique(np.asarray(themes), return_inverse=True)
    members = [np.flatnonzero(place == number) for number in range(len(names))]
    drawn = []
    for _ in range(DRAWS):
        chosen = np.concatenate([members[i] for i in rng.integers(0, len(names), len(names))])
        drawn.append(pearson(true[chosen], said[chosen]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def worth_table(found: dict[str, Worth]) -> str:
    """One line an axis."""
    lines = [
        "axis        r  (95 % by theme)  Spearman   MAE   always mean   r of colours"
        "   within one sd"
    ]
    for name, axis in found.items():
        lines.append(
            f"{name:7} {axis.pearson:+5.2f}  ({axis.low:+.2f}..{axis.high:+.2f})      "
            f"{axis.spearman:+5.2f}  {axis.error:4.2f}          {axis.constant_error:4.2f}"
            f"          {axis.colour_pearson:+5.2f}           {axis.within:4.0%}"
        )
    return "\n".join(lines)


def _linear(x: Array, y: Array, new: Array) -> Array:
    middle, wide = x.mean(0), x.std(0) + 1e-6
    rows = np.concatenate([(x - middle) / wide, np.ones((len(x), 1))], 1)
    weight = np.linalg.lstsq(rows, y, rcond=None)[0]
    return np.asarray(np.concatenate([(new - middle) / wide, np.ones((len(new), 1))], 1) @ weight)
