"""How much nearer than the best so far one more picture is expected to come (Mockus, 1975).

Valence and arousal of the picture scatter about their mean as a round normal distribution, so the
size of its gap is distributed as Rice found, and what it wins is a function of two numbers: how far
off the mean is and how near the best picture lies, both in standard deviations. The function is
integrated once over a grid and read off between its points.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

FARTHEST = 30.0
"""Standard deviations that the grid spans: more than lie between two corners of the scale at the
least spread that pictures have."""
STEP = 0.1
NODES = 48


def expected_improvement(missing: np.ndarray, spread: np.ndarray, best: float) -> np.ndarray:
    """[N] points of gap size that a picture is expected to win; what it loses is not kept.

    Args:
        missing: [N] distance of each mean from the target, in scale points.
        spread: [N] standard deviation on each axis; taken as at least a thirtieth of `best`.
        best: gap size of the best picture so far.
    """
    table, spread = _table(), np.maximum(spread, best / FARTHEST)
    last = len(table) - 1
    off, near = (np.minimum(each / spread / STEP, last) for each in (missing, best))
    row, column = (np.minimum(each.astype(int), last - 1) for each in (off, near))
    down, right = off - row, near - column
    above = table[row, column] * (1 - right) + table[row, column + 1] * right
    below = table[row + 1, column] * (1 - right) + table[row + 1, column + 1] * right
    won = (above * (1 - down) + below * down) * spread
    return np.asarray(np.where(missing > FARTHEST * spread, 0.0, won))


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """[off, near] of the integral of (near - r) over Rice's density of r, from 0 to near."""
    grid = np.linspace(0, FARTHEST, round(FARTHEST / STEP) + 1)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    off, near = grid[:, None, None], grid[None, :, None]
    r = near * (nodes + 1) / 2
    bessel = torch.special.i0e(torch.from_numpy(r * off)).numpy()
    density = r * np.exp(-((r - off) ** 2) / 2) * bessel
    return np.asarray(((near - r) * density * weights).sum(-1) * near[..., 0] / 2)
