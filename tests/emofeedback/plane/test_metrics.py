import numpy as np
import pytest

from emofeedback.errors import ConfigError
from emofeedback.plane.metrics import (
    GRID,
    axis_metrics,
    kendall_tau,
    largest_step_ratio,
    paired_difference,
    spearman,
)


def test_the_constant_predictor_scores_1_80_on_the_usual_grid():
    targets = [v for v in GRID for _ in GRID]
    metrics = axis_metrics(targets, [0.0] * 25)
    assert metrics.error == metrics.constant_error == pytest.approx(1.8)
    assert np.isnan(metrics.spearman)


def test_rank_correlations_agree_with_their_definitions():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=30), rng.normal(size=30)
    ranks = [np.argsort(np.argsort(values)) for values in (x, y)]
    assert spearman(x, y) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    signs = np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y))
    assert kendall_tau(x, y) == pytest.approx(signs.sum() / (30 * 29))


def test_an_even_sweep_has_step_ratio_one_and_a_jump_shows():
    even = np.outer(np.arange(9), [1.0, 2.0])
    assert largest_step_ratio(even) == pytest.approx(1)
    even[5:] += 10
    assert largest_step_ratio(even) > 3


def test_the_paired_interval_sees_a_common_shift_through_large_spread():
    rng = np.random.default_rng(1)
    before = rng.normal(scale=5, size=60)
    shifted = paired_difference(before - 0.5 + rng.normal(scale=0.2, size=60), before)
    assert shifted.high < 0 and shifted.excludes_zero
    assert not paired_difference(before + rng.normal(size=60), before).excludes_zero


def test_counts_that_differ_are_refused():
    with pytest.raises(ConfigError, match="as many readings as targets"):
        axis_metrics([1.0], [])
