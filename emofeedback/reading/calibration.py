"""Fitting the affine map from raw readings to human ratings, and keeping it in a file.

Zero-shot models over-state how strong a feeling is, above all arousal; a scale and an offset per
axis take most of that back. What the map is worth is told by cross-validation: every picture is
calibrated by a map that never saw its theme. What it then still misses widens the readings' spread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..plane.metrics import spearman
from ..records.calibration import (
    Calibration,
)
from ..records.files import parsed, write_json

CALIBRATION_FILE = "calibration.json"
FEWEST = 10
FEWEST_THEMES = 5
RESAMPLES = 2000
LEAST_SPREAD = 0.1
"""In scale points: nobody's ratings are known better, whatever the readings state."""
FOLDS = 5
MAX_SCALE = 5.0
Floats = Sequence[float] | np.ndarray
FORMAT = 1


@dataclass(frozen=True, slots=True)
class AxisFit:
    """How one axis agrees with people.

    Args:
        pearson, spearman: of the raw readings; NaN where either side is constant.
        error_before: mean absolute error of the raw readings, in scale points.
        error_after: the same after calibration, each picture by a map fitted on other themes.
        constant_error: of always answering 0.
        mean_error: of always answering the mean of the other themes' ratings.
        count: pictures.
    """

    pearson: float
    spearman: float
    error_before: float
    error_after: float
    constant_error: float
    mean_error: float
    count: int


@dataclass(frozen=True, slots=True)
class CalibrationFit:
    """A calibration and what it is worth on each axis."""

    calibration: Calibration
    valence: AxisFit
    arousal: AxisFit


def fit_axis(ratings: Floats, readings: Floats) -> tuple[float, float]:
    """Scale and offset of least squares, readings -> ratings, in scale points.

    The scale is never negative, and none is fitted where the readings do not vary: then the best
    that can be said is the mean rating.
    """
    x, y = np.asarray(readings, float), np.asarray(ratings, float)
    spread = float(np.var(x))
    if spread < 1e-12:
        return 0.0, float(y.mean())
    scale = float(np.mean((x - x.mean()) * (y - y.mean())) / spread)
    scale = min(max(scale, 0.0), MAX_SCALE)
    return scale, float(y.mean() - scale * x.mean())


def theme_folds(themes: Sequence[str], folds: int = FOLDS, *, seed: int = 0) -> list[np.ndarray]:
    """Index arrays that part the pictures; a theme is never in two of them.

    Raises: ConfigError: fewer than two themes.
    """
    names = sorted(set(themes))
    if len(names) < 2:
        raise ConfigError(
            f"All pictures have the theme {names[0] if names else ''!r}, so nothing can be held "
            "out. Name at least two themes in the ratings, or leave the column out."
        )
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[index]: place % folds for place, index in enumerate(order)}
    places = np.array([fold_of[theme] for theme in themes])
    return [np.flatnonzero(places == fold) for fold in range(folds) if (places == fold).any()]


def fit_calibration(
    name: str,
    ratings: Sequence[tuple[float, float]],
    readings: Sequence[tuple[float, float]],
    themes: Sequence[str],
    spreads: Sequence[tuple[float, float]] | None = None,
) -> CalibrationFit:
    """The calibration of a scorer on rated pictures.

    Args:
        name: shown in every reading that uses it.
        ratings: what people felt, (valence, arousal) on [-3, 3].
        readings: what the uncalibrated scorer read, in the same order.
        themes: of each picture, for cross-validation.
        spreads: the readings' stated standard deviations; without them nothing of what is missed
            counts as stated.
    Raises: ConfigError: too few pictures or themes, counts that differ, ratings or readings that do
        not vary, or readings that say nothing sure of the ratings.
    """
    given = {"ratings": ratings, "readings": readings, "themes": themes, "spreads": spreads}
    counts = {what: len(values) for what, values in given.items() if values is not None}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} {what}" for what, count in counts.items())
        raise ConfigError(f"Every picture needs one of each, but there are {told}.")
    if len(ratings) < FEWEST:
        raise ConfigError(
            f"{len(ratings)} rated pictures are too few to fit a map on; rate {FEWEST} or more, "
            "better some hundred."
        )
    if len(set(themes)) < FEWEST_THEMES:
        raise ConfigError(
            f"{len(set(themes))} themes are too few to say what holds for others; rate pictures of "
            f"{FEWEST_THEMES} or more, or leave the column out if each shows something else."
        )
    folds = theme_folds(themes)
    true, read = np.asarray(ratings, float), np.asarray(readings, float)
    for axis, what in enumerate(("valence", "arousal")):
        _check_slope(true[:, axis], read[:, axis], themes, what)
    maps = [fit_axis(true[:, axis], read[:, axis]) for axis in (0, 1)]
    fits = [axis_fit(true[:, axis], read[:, axis], folds) for axis in (0, 1)]
    scale, offset = (maps[0][0], maps[1][0]), (maps[0][1], maps[1][1])
    after = np.stack([held_out(true[:, axis], read[:, axis], folds)[0] for axis in (0, 1)], 1)
    stated = np.zeros_like(true) if spreads is None else np.asarray(spreads, float) * scale
    left = unexplained_spread(true - after, stated)
    return CalibrationFit(Calibration(name, scale, offset, left), *fits)


def slope_interval(ratings: Floats, readings: Floats, themes: Sequence[str]) -> tuple[float, float]:
    """Where the slope of ratings over readings lies with 95 %, by drawing whole themes anew.

    Pictures of a theme are alike: each alone would count as more than it says.
    """
    x, y = np.asarray(readings, float), np.asarray(ratings, float)
    names, places = np.unique(np.asarray(themes), return_inverse=True)
    values = (np.ones_like(x), x, y, x * x, x * y)
    sums = np.stack([np.bincount(places, value, len(names)) for value in values], 1)
    drawn = np.random.default_rng(0).multinomial(
        len(names), np.full(len(names), 1 / len(names)), RESAMPLES
    )
    count, sum_x, sum_y, squares, products = (drawn @ sums).T
    spread = squares - sum_x**2 / count
    together = products - sum_x * sum_y / count
    slopes = np.divide(together, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    low, high = np.quantile(slopes, (0.025, 0.975))
    return float(low), float(high)


def _check_slope(
    ratings: np.ndarray, readings: np.ndarray, themes: Sequence[str], what: str
) -> None:
    """Raises: ConfigError: no map from these readings to these ratings means anything."""
    for name, values in (("ratings", ratings), ("readings", readings)):
        if np.ptp(values) < 1e-6:
            raise ConfigError(
                f"All {name} of {what} are {values[0]:.2f}, so nothing can be fitted. "
                "Rate pictures that differ in it, or use another scorer."
            )
    low, high = slope_interval(ratings, readings, themes)
    if low <= 0:
        raise ConfigError(
            f"The readings of {what} do not follow the ratings: the slope lies between {low:.2f} "
            f"and {high:.2f} (95 %), which touches 0. A calibration would answer the mean, sure of "
            "itself. Rate more pictures, or use another scorer."
        )


def unexplained_spread(residuals: np.ndarray, stated: np.ndarray) -> tuple[float, float]:
    """The standard deviation that makes stated spreads account for residuals, for each axis.

    A residual's variance is the reading's own, which it states, and that of everything else: other
    themes, people who differ, a map that is not a line. With u for the latter, the mean of r^2 is
    that of s^2 + u^2; u is `LEAST_SPREAD` where the stated spread is wide enough already.

    Args: residuals r and stated standard deviations s, [N, 2] in scale points.
    """
    left = (residuals**2 - stated**2).mean(0)
    valence, arousal = np.sqrt(np.clip(left, LEAST_SPREAD**2, None))
    return float(valence), float(arousal)


def held_out(
    ratings: np.ndarray, readings: np.ndarray, folds: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Each picture calibrated by a map fitted outside its fold, and the mean rating out there."""
    after, mean = np.empty_like(ratings), np.empty_like(ratings)
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(ratings)), fold)
        scale, offset = fit_axis(ratings[rest], readings[rest])
        after[fold] = np.clip(scale * readings[fold] + offset, -3, 3)
        mean[fold] = ratings[rest].mean()
    return after, mean


def axis_fit(ratings: np.ndarray, readings: np.ndarray, folds: Sequence[np.ndarray]) -> AxisFit:
    """Agreement of one axis, with the errors of maps fitted outside each fold."""
    after, mean = held_out(ratings, readings, folds)
    return AxisFit(
        pearson=pearson(ratings, readings),
        spearman=spearman(ratings.tolist(), readings.tolist()),
        error_before=float(np.abs(ratings - readings).mean()),
        error_after=float(np.abs(ratings - after).mean()),
        constant_error=float(np.abs(ratings).mean()),
        mean_error=float(np.abs(ratings - mean).mean()),
        count=len(ratings),
    )


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation, NaN where one side is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def save_calibration(fit: CalibrationFit, path: Path, *, scorer: str, pictures: str) -> None:
    """Writes a calibration with how it was fitted, whole or not at all."""
    record = {
        "format": FORMAT,
        "name": fit.calibration.name,
        "scale": list(fit.calibration.scale),
        "offset": list(fit.calibration.offset),
        "unexplained": list(fit.calibration.unexplained),
        "scorer": scorer,
        "pictures": pictures,
        "valence": _plain(fit.valence),
        "arousal": _plain(fit.arousal),
    }
    write_json(path, record)


def load_calibration(path: Path) -> Calibration:
    """A calibration from its file.

    Raises: ConfigError: not one, or numbers that cannot be used.
    """
    try:
        made = Calibration.from_mapping(parsed(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ConfigError(
            f"{path} is not a calibration ({type(error).__name__}: {error}). Make one with "
            "`python -m emofeedback calibrate`."
        ) from error
    numbers = (*made.scale, *made.offset, *made.unexplained)
    usable = all(math.isfinite(number) and abs(number) <= 100 for number in numbers)
    if not usable or min(made.unexplained) < 0 or min(made.scale) <= 0:
        raise ConfigError(f"{path} holds the map {numbers}, which no fit gives. Make it again.")
    return made


def _plain(fit: AxisFit) -> dict[str, Any]:
    return {k: None if math.isnan(v) else round(v, 4) for k, v in asdict(fit).items()}
