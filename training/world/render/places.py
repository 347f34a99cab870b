"""Open places: sea, beach, lake, desert, meadow, snowfield, mountain. Drawn over the sky."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from .brush import SIDE, Brush, Point, mix, polygon, vertical

Place = Callable[[Brush, np.random.Generator], None]


def land(brush: Brush, line: Sequence[Point], code: str, *, volume: float = 0.14) -> None:
    """Everything below a smooth skyline."""
    points = [(-40.0, line[0][1]), *line, (SIDE + 40, line[-1][1])]
    brush.blob([*points, (SIDE + 60, SIDE + 60), (-60, SIDE + 60)], code, volume=volume)


def hills(
    brush: Brush, rng: np.random.Generator, y: float, height: float, code: str, *, count: int = 5
) -> None:
    """A rolling skyline around `y`."""
    xs = np.linspace(-10, SIDE + 10, count)
    shift = rng.uniform(0, math.tau)
    line = [
        (float(x), y + height * math.sin(shift + 2.2 * i) + rng.uniform(-0.2, 0.2) * height)
        for i, x in enumerate(xs)
    ]
    land(brush, line, code)


def strokes(
    brush: Brush,
    rng: np.random.Generator,
    top: float,
    bottom: float,
    codes: Sequence[str],
    *,
    count: int = 30,
    length: float = 30,
    width: float = 2.2,
    alpha: float = 0.4,
) -> None:
    """Loose horizontal brush strokes, longer and wider towards the viewer."""
    for i in range(count):
        depth = rng.random()
        x, y = rng.uniform(0, SIDE), top + (bottom - top) * depth
        half = length * (0.4 + depth) / 2
        bend = rng.uniform(-1.5, 1.5)
        points = [(x - half, y), (x, y + bend), (x + half, y)]
        brush.line(points, codes[i % len(codes)], width * (0.5 + depth), alpha=alpha)


def _sea(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#7fb4bd", "#3d8596", "#1d5a70", "#123f55"], 128, SIDE), top=128)
    for row in range(7):
        y = 142 + row * row * 2.6
        size = 2.5 + row * 1.3
        shift = rng.uniform(0, math.tau)
        xs = np.linspace(-10, SIDE + 10, 16)
        crest = [(float(x), y + size * math.sin(x / (8 + 4 * row) + shift)) for x in xs]
        brush.line([(x, y + size) for x, y in crest], "#0f4a5e", size, alpha=0.35)
        brush.line(crest, "#bfe3e2", 0.8 + row * 0.35, alpha=0.65)


def _beach(brush: Brush, rng: np.random.Generator) -> None:
    brush.wash(vertical(["#3fa7b8", "#5fc6c4", "#a9e2d2"], 124, 176), top=124)
    strokes(brush, rng, 130, 160, ["#e9fbf5", "#2d8ca4"], count=22, width=1.4)
    shore = [(x, 172 + 5 * math.sin(x / 40 + rng.uniform(0, 0.4))) for x in range(-10, 280, 32)]
    land(brush, [(x, y - 5) for x, y in shore], "#f6fbf3", volume=0)
    land(brush, shore, "#e6c98e", volume=0.1)
    strokes(brush, rng, 186, 252, ["#cba86a", "#f5e2b4"], count=26)
    side = 1 if rng.random() < 0.5 else -1
    x = 128 - side * 98
    brush.line([(x, 214), (x + 5 * side, 150), (x + 16 * side, 92)], "#8a6440", 8)
    brush.line([(x - 2, 212), (x + 3 * side, 150), (x + 14 * side, 94)], "#b58a5c", 2.5)
    for angle in (-2.9, -2.35, -1.7, -0.9, -0.3, 0.3, 2.8):
        tip = (x + 16 * side + 44 * math.cos(angle), 92 + 34 * math.sin(angle) + 14)
        middle = (x + 16 * side + 24 * math.cos(angle), 88 + 22 * math.sin(angle))
        brush.line([(x + 16 * side, 92), middle, tip], "#2f7d46", 6)
        brush.line([(x + 16 * side, 91), middle, tip], "#5fb061", 2)


def _lake(brush: Brush, rng: np.random.Generator) -> None:
    hills(brush, rng, 108, 14, "#6d9a98")
    hills(brush, rng, 126, 9, "#47776b", count=7)
    brush.wash(vertical(["#5f9088", "#a9cfd0", "#86b4c4", "#5d90a8"], 146, SIDE), top=146)
    for code, offset in (("#47776b", 0), ("#cfe6e4", 12)):
        strokes(brush, rng, 148 + offset, 190 + offset * 4, [code], count=16, length=60, alpha=0.35)
    for x0 in (6, 206):
        for i in range(9):
            x = x0 + i * 5.5 + rng.uniform(-2, 2)
            top = 178 + rng.uniform(-14, 14)
            brush.line([(x, 262), (x + 1, 215), (x + rng.uniform(-6, 6), top)], "#4d6b34", 3)
            if i % 2:
                brush.oval(x, top, 3, 9, "#6b4526")
    for _ in range(4):
        x, y = rng.uniform(30, 226), rng.uniform(226, 250)
        brush.oval(x, y, 13, 4, "#5b9b58")


def _desert(brush: Brush, rng: np.random.Generator) -> None:
    hills(brush, rng, 128, 8, "#e9be85")
    flip = 1 if rng.random() < 0.5 else -1
    for y, code, shade in (
        (142, "#dd9b55", "#b9713a"),
        (176, "#cf8440", "#a8602e"),
        (214, "#be6f33", "#95501f"),
    ):
        flip = -flip
        peak = 128 + flip * rng.uniform(40, 80)
        line = [
            (-30.0, y + 16),
            ((peak - 30) / 2, y + 10),
            (peak, y - 12),
            ((peak + 286) / 2, y + 8),
            (286, y + 18),
        ]
        land(brush, line, code)
        foot = [
            (peak, y - 11),
            (peak + flip * 20, y + 14),
            (peak - flip * 10, y + 40),
            (peak + flip * 90, y + 44),
        ]
        brush.blob([*foot, (peak + flip * 70, y + 8)], shade, alpha=0.5, volume=0, blur=2)
    strokes(brush, rng, 180, 250, ["#f0bd80"], count=18, alpha=0.35)
    x = 34 if rng.random() < 0.5 else 222
    for points in (
        [(x, 206), (x, 128)],
        [(x, 176), (x - 17, 172), (x - 17, 148)],
        [(x, 164), (x + 16, 160), (x + 16, 136)],
    ):
        brush.line(points, "#3f6b3a", 11)
        brush.line([(px - 2, py) for px, py in points], "#6f9c58", 3)


def _meadow(brush: Brush, rng: np.random.Generator) -> None:
    hills(brush, rng, 118, 9, "#a6c98c")
    hills(brush, rng, 140, 12, "#86b85e")
    hills(brush, rng, 168, 9, "#68a148")
    hills(brush, rng, 198, 5, "#4f8a38")
    for _ in range(70):
        depth = rng.random()
        x, y = rng.uniform(0, SIDE), 176 + 78 * depth
        tall = 4 + 8 * depth
        brush.line([(x, y), (x + rng.uniform(-3, 3), y - tall)], "#8cc25c", 1 + depth, alpha=0.6)
    for _ in range(5):
        x = rng.uniform(8, 248)
        brush.oval(x, 134, 8, 7, "#557f45")


def _snowfield(brush: Brush, rng: np.random.Generator) -> None:
    hills(brush, rng, 122, 8, "#c9d6e4")
    for x in np.arange(4, SIDE, 17):
        px, tall = x + rng.uniform(-4, 4), rng.uniform(22, 40)
        if 84 < px < 172:
            continue
        for k in range(3):
            y = 146 - tall * 0.28 * k
            half = tall * (0.3 - 0.07 * k)
            brush.poly([(px - half, y), (px, y - tall * 0.5), (px + half, y)], "#3f5c60")
            brush.poly(
                [
                    (px - half * 0.5, y - tall * 0.25),
                    (px, y - tall * 0.5),
                    (px + half * 0.5, y - tall * 0.25),
                ],
                "#f1f6fa",
                volume=0,
            )
    hills(brush, rng, 152, 6, "#e3ebf3")
    hills(brush, rng, 190, 8, "#f2f5f8")
    strokes(brush, rng, 164, 250, ["#b8c9de", "#ffffff"], count=30, length=50, alpha=0.5)


def _peak(brush: Brush, x: float, top: float, half: float, base: float, code: str) -> None:
    tall = base - top
    brush.poly(
        [
            (x - half, base),
            (x - half * 0.3, top + tall * 0.38),
            (x, top),
            (x + half * 0.42, top + tall * 0.44),
            (x + half, base),
        ],
        code,
        volume=0.2,
    )
    brush.poly(
        [
            (x, top),
            (x + half * 0.42, top + tall * 0.44),
            (x + half, base),
            (x + half * 0.12, base),
            (x - half * 0.06, top + tall * 0.5),
        ],
        mix(code, "#141c30", 0.35),
        volume=0.1,
    )
    cap = 0.3
    brush.poly(
        [
            (x - half * 0.25, top + tall * cap),
            (x, top),
            (x + half * 0.3, top + tall * cap),
            (x + half * 0.14, top + tall * cap * 0.8),
            (x + half * 0.02, top + tall * cap * 1.35),
            (x - half * 0.1, top + tall * cap * 0.85),
        ],
        "#f4f7fb",
        volume=0.03,
    )


def _mountain(brush: Brush, rng: np.random.Generator) -> None:
    _peak(brush, 128 + rng.uniform(-12, 12), 74, 110, 176, "#93a2b8")
    _peak(brush, 36 + rng.uniform(-10, 10), 42, 92, 182, "#76869e")
    _peak(brush, 222 + rng.uniform(-10, 10), 54, 88, 182, "#6a7a94")
    hills(brush, rng, 170, 6, "#6f7f68")
    hills(brush, rng, 194, 5, "#85837c")
    for _ in range(16):
        depth = rng.random()
        x, y, r = rng.uniform(0, SIDE), 200 + 54 * depth, 3 + 6 * depth
        rock = [
            (x - r * 1.3, y),
            (x - r * 0.7, y - r),
            (x + r * 0.5, y - r * 0.9),
            (x + r * 1.3, y),
        ]
        brush.fill(polygon(rock), "#a09c94", volume=0.3)


OPEN_PLACES: dict[str, Place] = {
    "sea": _sea,
    "beach": _beach,
    "lake": _lake,
    "desert": _desert,
    "mountain": _mountain,
    "meadow": _meadow,
    "snowfield": _snowfield,
}
