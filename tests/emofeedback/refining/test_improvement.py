"""What one more picture is expected to win, against pictures drawn by lot."""

import numpy as np
import pytest

from emofeedback.refining.improvement import expected_improvement

CASES = [
    (0.16, 1.1, 0.5), (1.2, 1.1, 0.5), (0.7, 0.35, 0.5), (1.4, 0.7, 1.5), (0.0, 0.35, 1.5),
    (2.2, 1.2, 1.0), (1.2, 0.6, 0.5), (0.5, 0.3, 4.2),
]  # fmt: skip


@pytest.mark.parametrize(("missing", "spread", "best"), CASES)
def test_it_is_the_mean_of_what_drawn_pictures_win(missing, spread, best):
    drawn = np.random.default_rng(0).standard_normal((200_000, 2)) * spread + (missing, 0)
    wins = np.maximum(best - np.hypot(*drawn.T), 0)
    found = expected_improvement(np.array([missing]), np.array([spread]), best)
    assert found == pytest.approx(wins.mean(), abs=4 * wins.std() / len(wins) ** 0.5 + 0.002)


def test_nearer_means_win_more_and_nothing_is_won_from_afar():
    missing = np.linspace(0, 12, 200)
    found = expected_improvement(missing, np.full(200, 0.5), 1.0)
    assert (np.diff(found) <= 1e-12).all()
    assert found[-1] == pytest.approx(0, abs=1e-6)


def test_with_little_spread_a_picture_wins_the_difference():
    found = expected_improvement(np.array([0.4, 2.0]), np.full(2, 0.01), 1.0)
    assert found == pytest.approx([0.6, 0.0], abs=0.01)
