"""Signs: small symbols beside the subject, in the corners and at the sides."""

import math
from collections.abc import Callable

import numpy as np

from .brush import SIDE, Brush

Sign = Callable[[Brush, np.random.Generator], None]
_GAY = ("#e8403a", "#f7b52c", "#3f8fe0", "#58b84c", "#c04cc0", "#ff7aa8")


def _flowers(brush: Brush, rng: np.random.Generator) -> None:
    petals = ("#f04a78", "#ff8fb4", "#fff2f4", "#b66ae0", "#ff6a4a")
    for i, x in enumerate((10, 28, 46, 66, 88, 168, 190, 210, 229, 248)):
        px, py = (
            x + rng.uniform(-4, 4),
            232 + rng.uniform(-15, 9) - (14 if i in (0, 1, 8, 9) else 0),
        )
        brush.line([(px, 262), (px + rng.uniform(-3, 3), py)], "#3f7a34", 3)
        brush.oval(px + 6, py + 17, 7, 3, "#4f9440", turn=-30)
        code, size = petals[(i * 2 + int(rng.integers(2))) % 5], rng.uniform(6, 7.4)
        for k in range(5):
            angle = math.tau * k / 5 + 0.3 * i
            brush.oval(
                px + size * math.cos(angle),
                py + size * math.sin(angle),
                size * 0.72,
                size * 0.72,
                code,
                volume=0.1,
            )
        brush.oval(px, py, size * 0.55, size * 0.55, "#ffd84a", volume=0.1)


def _balloons(brush: Brush, rng: np.random.Generator) -> None:
    order = rng.permutation(6)
    for i, (x, y) in enumerate(((24, 84), (48, 42), (18, 28), (232, 80), (208, 38), (238, 24))):
        px, py = x + rng.uniform(-5, 5), y + rng.uniform(-6, 6)
        foot = 40 if x < 128 else 216
        brush.line([(px, py + 18), ((px + foot) / 2 + 4, py + 50), (foot, 172)], "#f6f2e8", 1.4)
        code = _GAY[order[i]]
        brush.poly([(px - 4, py + 23), (px, py + 16), (px + 4, py + 23)], code)
        brush.oval(px, py, 15, 18.5, code, volume=0.24)
        brush.oval(px - 5, py - 7, 3, 5, "#ffffff", alpha=0.7, volume=0, turn=20)


def _fireworks(brush: Brush, rng: np.random.Generator) -> None:
    bursts = ((44, 58, 42), (212, 50, 44), (128, 26, 26))
    for i, (x, y, r) in enumerate(bursts):
        px, py = x + rng.uniform(-7, 7), y + rng.uniform(-7, 7)
        codes = (_GAY[int(rng.integers(6))], ("#ffe26a", "#fff6d0", "#8af0ff")[i])
        brush.oval(px, py, r, r, codes[0], alpha=0.35, volume=0, blur=9)
        for k in range(18):
            angle = math.tau * k / 18 + 0.17 * i
            reach = r * (1 if k % 2 else 0.72)
            cx, cy = math.cos(angle), math.sin(angle)
            start, end = (
                (px + 0.22 * reach * cx, py + 0.22 * reach * cy),
                (px + reach * cx, py + reach * cy),
            )
            brush.line([start, end], codes[k % 2], 2.6)
            brush.oval(*end, 3, 3, codes[(k + 1) % 2], volume=0)
        brush.oval(px, py, 4, 4, "#ffffff", volume=0)


def _lanterns(brush: Brush, rng: np.random.Generator) -> None:
    sag = rng.uniform(22, 30)
    xs = np.linspace(-6, SIDE + 6, 9)
    cord = [(float(x), 8 + sag * (1 - ((x - 128) / 134) ** 2) * 0.5) for x in xs]
    brush.line(cord, "#3a2c24", 2)
    for i, x in enumerate((20, 66, 190, 236)):
        drop = (26, 16, 16, 26)[i] + rng.uniform(-3, 3)
        top = 8 + sag * (1 - ((x - 128) / 134) ** 2) * 0.5
        y = top + drop + 14
        brush.line([(x, top), (x, y - 14)], "#3a2c24", 1.6)
        brush.oval(x, y, 30, 30, "#ffb648", alpha=0.45, volume=0, blur=9)
        brush.oval(x, y, 15, 17, "#f27d2c", volume=0.05)
        brush.oval(x, y + 1, 9, 12, "#ffe49a", alpha=0.9, volume=0, blur=2.5)
        for dy in (-16, 15):
            brush.box(x - 7, y + dy - 2, x + 7, y + dy + 2.5, "#5a2c1c", volume=0)


def _stone(brush: Brush, x: float, y: float, size: float, cross: bool) -> None:
    code = "#777a84"
    brush.oval(x, y, size * 0.8, 4, "#0c1020", alpha=0.5, volume=0, blur=2)
    if cross:
        brush.box(x - size * 0.16, y - size * 1.5, x + size * 0.16, y, code, volume=0.3)
        brush.box(
            x - size * 0.5, y - size * 1.15, x + size * 0.5, y - size * 0.85, code, volume=0.3
        )
        return
    half = size * 0.48
    outline = [
        (x - half, y),
        (x - half, y - size * 0.8),
        (x - half * 0.6, y - size * 1.2),
        (x, y - size * 1.35),
        (x + half * 0.6, y - size * 1.2),
        (x + half, y - size * 0.8),
        (x + half, y),
    ]
    brush.poly(outline, code, volume=0.3)
    brush.line(
        [(x - half * 0.5, y - size * 0.85), (x + half * 0.5, y - size * 0.85)], "#41444e", 2.5
    )
    brush.line(
        [(x - half * 0.5, y - size * 0.62), (x + half * 0.5, y - size * 0.62)], "#41444e", 2.5
    )


def _graves(brush: Brush, rng: np.random.Generator) -> None:
    for i, (x, y, size) in enumerate(
        ((58, 196, 24), (200, 198, 24), (20, 232, 38), (237, 236, 38))
    ):
        _stone(brush, x + rng.uniform(-4, 4), y + rng.uniform(-3, 3), size, cross=i in (0, 3))


def _crows(brush: Brush, rng: np.random.Generator) -> None:
    for x, y, size in (
        (34, 40, 24),
        (66, 82, 15),
        (216, 32, 26),
        (190, 76, 15),
        (238, 92, 19),
        (18, 104, 17),
    ):
        px, py = x + rng.uniform(-6, 6), y + rng.uniform(-6, 6)
        side, code = 1 if rng.random() < 0.5 else -1, "#101018"
        beat = rng.uniform(-0.15, 0.15)
        for wing in (-1, 1):
            outline = [
                (0.05, 0.1),
                (0.3, -0.35),
                (0.62, -0.62 + beat),
                (1.08, -0.5 + beat),
                (0.78, -0.3),
                (0.5, 0.0),
                (0.2, 0.25),
            ]
            brush.blob([(px + wing * size * a, py + size * b) for a, b in outline], code, volume=0)
        brush.oval(px, py + size * 0.12, size * 0.46, size * 0.2, code, turn=8 * side, volume=0.1)
        brush.oval(
            px + side * size * 0.44, py - size * 0.02, size * 0.17, size * 0.16, code, volume=0
        )
        head = px + side * size * 0.56
        brush.poly(
            [
                (head, py - size * 0.1),
                (head + side * size * 0.3, py + size * 0.03),
                (head, py + size * 0.1),
            ],
            "#d89a2c",
            volume=0,
        )
        back = px - side * size * 0.35
        brush.poly(
            [
                (back, py),
                (back - side * size * 0.5, py + size * 0.02),
                (back - side * size * 0.4, py + size * 0.3),
                (back, py + size * 0.22),
            ],
            code,
            volume=0,
        )


def _lightning(brush: Brush, rng: np.random.Generator) -> None:
    for x, reach in ((42 + rng.uniform(-10, 10), 150), (214 + rng.uniform(-10, 10), 136)):
        bolt, px, step = [(x, -4.0)], x, 1 if rng.random() < 0.5 else -1
        for y in np.linspace(24, reach, 6):
            px, step = px + step * rng.uniform(9, 17), -step
            bolt.append((px, float(y)))
        fork = [
            bolt[3],
            (bolt[3][0] + step * 22, bolt[3][1] + 18),
            (bolt[3][0] + step * 18, bolt[3][1] + 40),
        ]
        for points, width in ((bolt, 5.0), (fork, 3.0)):
            brush.line(points, "#8f7bff", width * 2.6, alpha=0.6, smooth=False, blur=4)
            brush.line(points, "#fff27a", width, smooth=False)
            brush.line(points, "#ffffff", width * 0.5, smooth=False)


SIGNS_BEHIND: dict[str, Sign] = {"graves": _graves, "crows": _crows, "balloons": _balloons}
SIGNS_BEFORE: dict[str, Sign] = {"flowers": _flowers}
SIGNS_GLOWING: dict[str, Sign] = {
    "fireworks": _fireworks,
    "lightning": _lightning,
    "lanterns": _lanterns,
}
"""Signs that shine by themselves: drawn after the light, which would darken them."""
