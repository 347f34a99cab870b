"""Light: behind the scene (discs, beams) and over it (shade, glow)."""

import math
from collections.abc import Callable

import numpy as np

from .brush import SIDE, Brush, Point, across, polygon, radial, skia, vertical

Light = Callable[[Brush, Point], None]


def light_source(rng: np.random.Generator, light: str) -> Point:
    """Where the light of this picture comes from, in picture units."""
    side = 1 if rng.random() < 0.5 else -1
    heights = {"golden": 112, "rays": 14, "moonlight": 42}
    reach = {"golden": 92, "rays": 106, "moonlight": 84}
    return 128 + side * reach.get(light, 0), heights.get(light, 0) + rng.uniform(-5, 5)


def _screen(brush: Brush, shader: skia.Shader, blend: str = "Screen") -> None:
    brush.wash(shader, blend=blend)


def _golden_behind(brush: Brush, source: Point) -> None:
    brush.wash(radial(source, 120, [("#ffd070", 1.0), ("#ffb84c", 0.55), ("#ffb84c", 0.0)]))
    brush.oval(*source, 24, 24, "#fff6cc", volume=0, blur=1.5)


def _golden_over(brush: Brush, source: Point) -> None:
    brush.wash(code="#ffdca0", blend="Multiply")
    _screen(brush, radial(source, 235, [("#ffae30", 0.75), ("#e88a20", 0.4), ("#a04a10", 0.0)]))


def _rays_behind(brush: Brush, source: Point) -> None:
    brush.wash(radial(source, 110, [("#fffbe0", 1.0), ("#ffe98a", 0.6), ("#ffe98a", 0.0)]))
    brush.oval(*source, 30, 30, "#fffde8", volume=0, blur=1)


def _rays_over(brush: Brush, source: Point) -> None:
    paint = skia.Paint(AntiAlias=True, BlendMode=skia.BlendMode.kScreen)
    paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, 2.5))
    stops = [("#fff3a8", 0.75), ("#ffe47a", 0.45), ("#ffe47a", 0.15)]
    paint.setShader(radial(source, 330, stops))
    inward = math.atan2(190 - source[1], 128 - source[0])
    for k in range(-3, 4):
        angle = inward + k * 0.27
        edges = [
            (source[0] + 340 * math.cos(angle + d), source[1] + 340 * math.sin(angle + d))
            for d in (-0.07, 0.07)
        ]
        brush.canvas.drawPath(polygon([source, *edges]), paint)
    _screen(brush, radial(source, 280, [("#fff0b0", 0.55), ("#ffe9a0", 0.12), ("#ffe9a0", 0.05)]))


def _moon_behind(brush: Brush, source: Point) -> None:
    brush.wash(radial(source, 86, [("#e8f0ff", 0.95), ("#b8ccf4", 0.4), ("#b8ccf4", 0.0)]))


def _moon_over(brush: Brush, source: Point) -> None:
    brush.wash(code="#7088c0", blend="Multiply")
    _screen(
        brush,
        radial(
            (source[0], source[1]), 150, [("#9ab4f0", 0.5), ("#7090d8", 0.15), ("#000000", 0.0)]
        ),
    )
    x, y = source
    brush.oval(x, y, 23, 23, "#f2f5ff", volume=0.03, blur=0.8)
    for dx, dy, r in ((-7, -5, 5), (6, 4, 6.5), (4, -10, 3), (-6, 9, 3.5)):
        brush.oval(x + dx, y + dy, r, r, "#c2cce8", alpha=0.85, volume=0)


def _dim_over(brush: Brush, _source: Point) -> None:
    brush.wash(code="#8e8890", blend="Multiply")
    _screen(
        brush,
        radial((128, 150), 190, [("#ffffff", 1.0), ("#c8c2cc", 1.0), ("#4a4652", 1.0)]),
        "Multiply",
    )


def _spotlight_over(brush: Brush, _source: Point) -> None:
    canvas = brush.canvas
    cone = polygon([(112, -6), (144, -6), (222, 224), (34, 224)])
    pool = skia.Path.Oval(skia.Rect.MakeLTRB(34, 198, 222, 250))
    lit = skia.Op(cone, pool, skia.kUnion_PathOp)
    canvas.save()
    canvas.clipPath(lit, skia.ClipOp.kDifference, True)
    brush.wash(code="#4c4858", blend="Multiply")
    canvas.restore()
    canvas.save()
    canvas.clipPath(lit, skia.ClipOp.kIntersect, True)
    _screen(brush, vertical([("#fffbe8", 0.8), ("#fff6d8", 0.24), ("#fff6d8", 0.16)], 0, SIDE))
    canvas.restore()


def _tube(brush: Brush, points: list[Point], code: str) -> None:
    brush.line(points, code, 15, alpha=0.75, blur=6)
    brush.line(points, code, 6)
    brush.line(points, "#ffffff", 2.4)


def _neon_over(brush: Brush, _source: Point) -> None:
    brush.wash(code="#8f86b4", blend="Multiply")
    _screen(brush, across([("#ff1e9c", 0.85), ("#ff1e9c", 0.0), ("#ff1e9c", 0.0)], 0, SIDE))
    _screen(brush, across([("#10d8ff", 0.0), ("#10d8ff", 0.0), ("#10d8ff", 0.8)], 0, SIDE))
    _tube(brush, [(10, 206), (10, 150), (10, 116)], "#ff2aa4")
    _tube(brush, [(24, 206), (24, 168), (24, 134)], "#ff8ad0")
    _tube(brush, [(246, 206), (246, 150), (246, 116)], "#18dcff")
    _tube(brush, [(232, 206), (232, 168), (232, 134)], "#a0f4ff")


LIGHTS_BEHIND: dict[str, Light] = {
    "golden": _golden_behind,
    "rays": _rays_behind,
    "moonlight": _moon_behind,
}
LIGHTS_OVER: dict[str, Light] = {
    "golden": _golden_over,
    "rays": _rays_over,
    "moonlight": _moon_over,
    "dim": _dim_over,
    "spotlight": _spotlight_over,
    "neon": _neon_over,
}
