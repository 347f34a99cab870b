"""Places that close in on the viewer: forest, city, village."""

import numpy as np

from .brush import SIDE, Brush, mix, vertical
from .places import OPEN_PLACES, Place, hills, strokes


def _forest(brush: Brush, rng: np.random.Generator) -> None:
    for x in np.arange(-10, SIDE + 20, 22):
        brush.oval(x + rng.uniform(-6, 6), 124 + rng.uniform(-10, 6), 20, 30, "#7f9c84", volume=0.1)
    brush.wash(vertical(["#6f8d68", "#4a6a42", "#2f4a2c", "#243a24"], 132, SIDE), top=140)
    for x in (78, 96, 160, 180):
        brush.line([(x, 160), (x + rng.uniform(-3, 3), 70)], "#5d6c58", 6, alpha=0.8)
    for x, width in ((14, 22), (48, 15), (208, 15), (242, 22)):
        px = x + rng.uniform(-4, 4)
        foot = 205 + width
        trunk = [
            (px - width * 0.8, foot),
            (px - width * 0.4, 150),
            (px - width * 0.35, -10),
            (px + width * 0.35, -10),
            (px + width * 0.4, 150),
            (px + width * 0.8, foot),
        ]
        brush.poly(trunk, "#4b3524", volume=0.1)
        brush.line(
            [(px - width * 0.2, foot - 12), (px - width * 0.15, 0)],
            "#86664a",
            width * 0.14,
            alpha=0.8,
        )
        brush.line(
            [(px + width * 0.22, foot - 10), (px + width * 0.2, 0)],
            "#2a1c12",
            width * 0.2,
            alpha=0.6,
        )
    for x, y, r in (
        (10, 8, 34),
        (46, 2, 26),
        (214, 2, 26),
        (248, 10, 34),
        (4, 44, 18),
        (252, 46, 18),
    ):
        brush.oval(x + rng.uniform(-4, 4), y, r, r * 0.8, "#2f5a34", volume=0.2)
        brush.oval(x - r * 0.2, y - r * 0.2, r * 0.6, r * 0.4, "#5a8c4a", alpha=0.6, volume=0)
    for _ in range(26):
        px, py = rng.uniform(0, SIDE), rng.uniform(196, 254)
        brush.line([(px - 7, py - 5), (px, py), (px + 7, py - 6)], "#6d9a52", 2, alpha=0.55)


def _tower(
    brush: Brush, rng: np.random.Generator, x: float, half: float, top: float, code: str
) -> None:
    brush.box(x - half, top, x + half, 190, code, volume=0.12)
    for wy in np.arange(top + 7, 172, 11):
        for wx in np.arange(x - half + 5, x + half - 4, 8):
            lit = rng.random() < 0.45
            brush.box(
                wx, wy, wx + 4, wy + 6, "#ffe29a" if lit else mix(code, "#20263c", 0.4), volume=0
            )


def _city(brush: Brush, rng: np.random.Generator) -> None:
    for x in np.arange(2, SIDE, 21):
        top = 104 + rng.uniform(-18, 14)
        brush.box(x - 11, top, x + 11, 190, "#a3a6ba", volume=0.08)
    for x, half, top, code in (
        (20, 24, 38, "#6d7090"),
        (62, 17, 78, "#83809c"),
        (236, 24, 30, "#666a8c"),
        (194, 17, 70, "#8a839a"),
    ):
        _tower(brush, rng, x + rng.uniform(-3, 3), half, top + rng.uniform(-10, 10), code)
    brush.wash(vertical(["#b5b0ad", "#9a9694"], 176, SIDE), top=176)
    brush.poly([(104, 176), (152, 176), (262, 258), (-6, 258)], "#585a64", volume=0.1)
    for k in range(4):
        y, tall = 184 + k * 19, 5 + k * 3
        width = 1 + k * 0.9
        brush.poly(
            [
                (128 - width, y),
                (128 + width, y),
                (128 + width * 1.5, y + tall),
                (128 - width * 1.5, y + tall),
            ],
            "#f2ead2",
            volume=0,
        )
    for side in (-1, 1):
        brush.line([(128 + side * 25, 176), (128 + side * 137, 259)], "#dcd6cf", 3, smooth=False)


def _gable(brush: Brush, x: float, half: float, eaves: float, code: str, roof: str) -> None:
    brush.box(x - half, eaves, x + half, 196, code, volume=0.08)
    brush.poly(
        [(x - half - 4, eaves + 1), (x, eaves - half * 1.05), (x + half + 4, eaves + 1)], roof
    )
    for wy in (eaves + 10, eaves + 34):
        for wx in (x - half * 0.5, x + half * 0.5):
            brush.box(wx - 4, wy, wx + 4, wy + 12, "#f8f4e6", volume=0)
            brush.box(wx - 3, wy + 1, wx + 3, wy + 11, "#56708a", volume=0.2)
    brush.box(x - 5, 172, x + 5, 196, "#6b4630", round_by=4)


def _village(brush: Brush, rng: np.random.Generator) -> None:
    hills(brush, rng, 132, 6, "#8fae7c")
    brush.box(122, 104, 136, 160, "#e6dcc8")
    brush.poly([(119, 105), (129, 70), (139, 105)], "#8a5a58")
    walls = ["#efc98f", "#e9a58f", "#b9cbb0", "#f0e0b8"]
    roofs = ["#a8523c", "#8c4a40", "#b0623e", "#7c4a4a"]
    order = rng.permutation(4)
    for i, (x, half, eaves) in enumerate(
        ((72, 20, 132), (186, 20, 130), (26, 30, 112), (232, 30, 110))
    ):
        _gable(brush, x + rng.uniform(-2, 2), half, eaves, walls[order[i]], roofs[order[i]])
    brush.wash(vertical(["#cdb491", "#b0926e", "#8d7154"], 190, SIDE), top=190)
    for row in range(7):
        y, gap = 196 + row * 9.5, 11 + row * 2.2
        for px in np.arange(-8 + (row % 2) * gap / 2, SIDE + 10, gap):
            shade = ("#d9c3a0", "#a78a68", "#c2a680")[int(rng.integers(3))]
            brush.oval(px, y, gap * 0.42, 3.4, shade, alpha=0.8, volume=0.1)
    strokes(brush, rng, 192, 200, ["#7c624a"], count=8, length=50, alpha=0.3)


PLACES: dict[str, Place] = {
    **OPEN_PLACES,
    "forest": _forest,
    "city": _city,
    "village": _village,
}
