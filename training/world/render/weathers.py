"""Weather and motion: drawn over everything that stands in the scene."""

import math
from collections.abc import Callable

import numpy as np

from .brush import SIDE, Brush, vertical

Weather = Callable[[Brush, np.random.Generator], None]


def _still(brush: Brush, rng: np.random.Generator) -> None:
    """Nothing moves."""


def _mist(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(
        vertical([("#eef1f2", 0.0), ("#eef1f2", 0.42), ("#eef1f2", 0.3)], 112, SIDE), top=112
    )
    for y, tall in ((142, 9), (170, 11), (200, 13), (232, 15)):
        x = rng.uniform(0, SIDE)
        for dx in (-110, 60):
            brush.oval(
                x + dx, y + rng.uniform(-4, 4), 100, tall, "#ffffff", alpha=0.6, volume=0, blur=6
            )


def _rain(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(code="#5a6a80", alpha=0.16)
    for _ in range(105):
        x, y, length = rng.uniform(-10, SIDE + 20), rng.uniform(-20, SIDE), rng.uniform(16, 30)
        brush.line(
            [(x, y), (x - length * 0.2, y + length)], "#dbe8f8", 1.7, alpha=0.75, smooth=False
        )
    for _ in range(12):
        x, y = rng.uniform(0, SIDE), rng.uniform(216, 252)
        brush.line([(x - 7, y), (x, y + 2.5), (x + 7, y)], "#e6f0fa", 1.6, alpha=0.8)


def _snow(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical([("#ffffff", 0.0), ("#ffffff", 0.55)], 196, SIDE), top=196)
    for i in range(95):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
        r = rng.uniform(3.2, 4.6) if i % 4 == 0 else rng.uniform(1.6, 2.8)
        brush.oval(x, y + 0.8, r + 0.5, r + 0.5, "#7f92b4", alpha=0.45, volume=0)
        brush.oval(x, y, r, r, "#ffffff", alpha=0.97, volume=0)


def _gale(brush: Brush, rng: np.random.Generator) -> None:
    for i in range(9):
        y = 14 + i * 27 + rng.uniform(-7, 7)
        x, length = rng.uniform(-30, 110), rng.uniform(100, 170)
        wave = rng.uniform(4, 9)
        streak = [
            (x, y),
            (x + length * 0.35, y - wave),
            (x + length * 0.7, y + wave),
            (x + length, y - 2),
        ]
        if i % 3 == 0:
            end = x + length
            streak += [(end + 12, y - 12), (end + 3, y - 20), (end - 6, y - 13), (end + 1, y - 8)]
        brush.line(streak, "#34405a", 4.4, alpha=0.35)
        brush.line(streak, "#f2f6fa", 2.5, alpha=0.85)
    for _ in range(18):
        x, y, turn = rng.uniform(0, SIDE), rng.uniform(10, 240), rng.uniform(-40, 40)
        brush.oval(x, y, 7, 2.8, ("#5a3a1c", "#3c4a24")[int(rng.integers(2))], turn=turn)


def _sparkles(brush: Brush, rng: np.random.Generator) -> None:
    for i in range(46):
        x, y = rng.uniform(0, SIDE), rng.uniform(20, SIDE)
        size = rng.uniform(7, 11) if i % 3 == 0 else rng.uniform(3, 5)
        if i % 3 == 0:
            brush.oval(x, y, size, size, "#ffd850", alpha=0.5, volume=0, blur=3)
        brush.star(x, y, size, "#ffe34a")
        brush.oval(x, y, size * 0.22, size * 0.22, "#fffdf0", volume=0)


def _confetti(brush: Brush, rng: np.random.Generator) -> None:
    codes = ("#f0383c", "#ffc21e", "#2f8cf0", "#3cc850", "#e048d0", "#ff8a1e", "#20d0d0")
    for i in range(88):
        x, y, turn = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(0, math.pi)
        long, thin = rng.uniform(4, 6), rng.uniform(2, 3)
        c, s = math.cos(turn), math.sin(turn)
        corners = [
            (x + a * long * c - b * thin * s, y + a * long * s + b * thin * c)
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
        brush.poly(corners, codes[i % 7], volume=0)
    for i in range(7):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, SIDE)
        brush.line([(x + 6 * k, y + (6 if k % 2 else -6)) for k in range(5)], codes[i], 3)


WEATHERS: dict[str, Weather] = {
    "still": _still,
    "mist": _mist,
    "rain": _rain,
    "snow": _snow,
    "gale": _gale,
    "sparkles": _sparkles,
    "confetti": _confetti,
}
