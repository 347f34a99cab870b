"""How well measured emotions agree with targets; errors stand beside the constant predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError

Values = Sequence[float] | np.ndarray
GRID = (-3.0, -1.5, 0.0, 1.5, 3.0)


@dataclass(frozen=True, slots=True)
class AxisMetrics:
    """One axis of an evaluation.

    Args:
        error: mean absolute gap, in scale points (V-Error or A-Error).
        constant_error: the same for a predictor that always answers 0.
        spearman: rank correlation of target and reading, NaN if either is constant.
        count: pictures measured.
    """

    error: float
    constant_error: float
    spearman: float
    count: int


def _pairs(targets: Values, readings: Values) -> tuple[np.ndarray, np.ndarray]:
    target, reading = np.asarray(targets, float), np.asarray(readings, float)
    if target.shape != reading.shape or target.ndim != 1 or target.size == 0:
        raise ConfigError(
            f"Metrics need as many readings as targets, at least one; got {target.shape} targets "
            f"and {reading.shape} readings."
        )
    return target, reading


def axis_metrics(targets: Sequence[float], readings: Sequence[float]) -> AxisMetrics:
    """V-Error or A-Error with the constant predictor and the rank correlation.

    Args: both [N], scale points. Raises: ConfigError: no pairs, or counts differ.
    """
    target, reading = _pairs(targets, readings)
    return AxisMetrics(
        error=float(np.abs(target - reading).mean()),
        constant_error=float(np.abs(target).mean()),
        spearman=spearman(targets, readings),
        count=target.size,
    )


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, NaN where one side is constant."""
    from scipy.stats import spearmanr

    x, y = _pairs(first, second)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(spearmanr(x, y).statistic)


def kendall_tau(first: Values, second: Values) -> float:
    """Kendall's tau-b, NaN where one side is constant; along a sweep, `first` is the target."""
    from scipy.stats import kendalltau

    x, y = _pairs(first, second)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(kendalltau(x, y).statistic)


def largest_step_ratio(features: np.ndarray) -> float:
    """The largest step along a sweep against the mean step: 1 for an even sweep.

    Args: features [N, D], one row a point of the sweep, N >= 3; distances are Euclidean.
    """
    steps = np.linalg.norm(np.diff(np.asarray(features, float), axis=0), axis=1)
    if len(steps) < 2 or steps.mean() == 0:
        raise ConfigError(f"A sweep needs 3 points or more that differ; got {len(features)}.")
    return float(steps.max() / steps.mean())


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of paired differences with a bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def excludes_zero(self) -> bool:
        """The whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def paired_difference(
    after: Sequence[float],
    before: Sequence[float],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Mean of after - before with its percentile bootstrap interval over pairs.

    Raises: ConfigError: no pairs, or counts differ.
    """
    x, y = _pairs(after, before)
    difference = x - y
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, difference.size, (resamples, difference.size))
    means = difference[picks].mean(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return PairedDifference(float(difference.mean()), float(low), float(high), difference.size)
