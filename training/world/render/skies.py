"""Skies: the whole canvas, before anything else is drawn on it."""

import math
from collections.abc import Callable

import numpy as np

from .brush import SIDE, Brush, vertical

Sky = Callable[[Brush, np.random.Generator], None]
HORIZON = 150.0
"""No place lets the sky down to this line everywhere; gradients end here."""


def _plain(brush: Brush, _rng: np.random.Generator) -> None:
    brush.wash(vertical(["#aebfc8", "#cdd6d6", "#e6e3d8"], 0, HORIZON))


def _cloud(brush: Brush, rng: np.random.Generator, x: float, y: float, size: float) -> None:
    for layer, code, alpha in ((4.0, "#9fb6cf", 0.55), (0.0, "#ffffff", 0.95)):
        for i in range(5):
            lump = 1 - abs(i - 2) * 0.28
            brush.oval(
                x + (i - 2) * size * 0.55,
                y - lump * size * 0.3 + layer + rng.uniform(-1.5, 1.5),
                size * 0.5 * lump + 4,
                size * 0.42 * lump + 2,
                code,
                alpha=alpha,
                volume=0.03,
                blur=1.0,
            )


def _blue(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#1f6fd0", "#4f9be6", "#b5dcf6"], 0, HORIZON))
    for x, y in ((38, 40), (212, 54), (130, 22)):
        _cloud(brush, rng, x + rng.uniform(-12, 12), y + rng.uniform(-8, 8), rng.uniform(20, 26))


def _rainbow(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#7fb6e6", "#b9dcf0", "#f3f1dd"], 0, HORIZON))
    x, y = 128 + rng.uniform(-8, 8), 158 + rng.uniform(-5, 5)
    stripes = ("#e2413c", "#f38b2c", "#f7d838", "#58b84c", "#3c86d8", "#7d4fb8")
    for i, code in enumerate(stripes):
        radius = 134 - i * 6.5
        angles = [math.pi + math.pi * k / 16 for k in range(17)]
        arc = [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in angles]
        brush.line(arc, code, 7.2, alpha=0.85)


def _sunset(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#7c74b8", "#c487b8", "#f4a3a0", "#fbcf9a", "#fde3b0"], 0, HORIZON))
    for y in (26, 52, 78, 100):
        x, length = rng.uniform(0, SIDE), rng.uniform(70, 120)
        brush.oval(x, y, length, 5, "#fbd3c0", alpha=0.75, volume=0, blur=2.5)
        brush.oval(SIDE - x, y + 9, length * 0.8, 4, "#9a74ae", alpha=0.55, volume=0, blur=2.5)


def _starry(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#0a1038", "#18235c", "#3a4a8c"], 0, HORIZON))
    brush.line([(-10, 70), (90, 30), (270, 10)], "#8f9ae0", 34, alpha=0.22, blur=12)
    for _ in range(70):
        x, y = rng.uniform(0, SIDE), rng.uniform(0, HORIZON)
        brush.oval(x, y, (r := rng.uniform(0.8, 1.7)), r, "#f4f2ff", alpha=0.9, volume=0)
    for _ in range(10):
        x = rng.uniform(0, 80) if rng.random() < 0.5 else rng.uniform(176, SIDE)
        brush.star(x, rng.uniform(6, 110), rng.uniform(5, 8), "#ffffff")


def _overcast(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#7b8085", "#969a9c", "#aeb0ae"], 0, HORIZON))
    for i in range(9):
        y = 4 + i * 15
        x = rng.uniform(0, SIDE)
        code = "#6c7176" if i % 2 else "#b4b7b7"
        brush.oval(
            x, y, rng.uniform(80, 130), rng.uniform(9, 13), code, alpha=0.6, volume=0, blur=5
        )


def _storm(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#1d1f2c", "#3d4154", "#8a8d96"], 0, HORIZON))
    for row, (code, light) in enumerate(
        (("#4c5064", "#7a7f92"), ("#31344a", "#5a5f76"), ("#191b28", "#3f435a"))
    ):
        for x in np.arange(-10, SIDE + 30, 30):
            cx = x + rng.uniform(-9, 9)
            cy = 66 - row * 26 + rng.uniform(-9, 9)
            r = rng.uniform(19, 27)
            brush.oval(cx + 2, cy + 5, r, r * 0.8, light, alpha=0.55, volume=0, blur=2)
            brush.oval(cx, cy, r, r * 0.8, code, alpha=0.97, volume=0, blur=1.5)


def _burning(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#4a0a10", "#a51f16", "#e85a1c", "#ffb640"], 0, HORIZON))
    for i in range(11):
        x, y = rng.uniform(-10, SIDE + 10), 4 + i * 11 + rng.uniform(-5, 5)
        half, tall = rng.uniform(40, 75), rng.uniform(5, 9)
        for dx in (-0.45, 0.1, 0.5):
            brush.oval(
                x + dx * half, y + 3, half * 0.6, tall, "#ff9a34", alpha=0.8, volume=0, blur=1.5
            )
        for dx in (-0.5, 0.0, 0.45):
            lump = tall * rng.uniform(0.8, 1.3)
            brush.oval(
                x + dx * half, y - 2, half * 0.55, lump, "#3c070c", alpha=0.85, volume=0, blur=1.5
            )


SKIES: dict[str, Sky] = {
    "plain": _plain,
    "blue": _blue,
    "rainbow": _rainbow,
    "sunset": _sunset,
    "starry": _starry,
    "overcast": _overcast,
    "storm": _storm,
    "burning": _burning,
}

AMBIENT: dict[str, str] = {
    "sunset": "#ffe0d6",
    "starry": "#8f98cc",
    "overcast": "#d9dadc",
    "storm": "#b4b6c4",
    "burning": "#ffc2a8",
}
"""What a sky does to everything below it: a colour to multiply with."""
