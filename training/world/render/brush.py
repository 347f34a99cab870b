"""A brush on a skia canvas: soft shapes in picture units (256 to a side), one line each.

Every filled shape is shaded a little from top to bottom, which gives volume without a word.
"""

import math
from collections.abc import Sequence

from emofeedback.errors import MissingDependencyError

try:
    import skia
except ImportError as error:
    raise MissingDependencyError(
        f"The drawn world cannot draw, because skia is not usable ({error}). Install it with "
        "`pip install -e .[train]`, and on Debian `apt-get install libegl1 libgl1`."
    ) from error

SIDE = 256.0
"""Width and height of a picture in picture units."""

Point = tuple[float, float]


def colour(code: str, alpha: float = 1.0) -> int:
    """A "#rrggbb" code as skia's number; alpha in [0, 1]."""
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return int(skia.Color(red, green, blue, round(255 * max(0.0, min(1.0, alpha)))))


def mix(code: str, other: str, share: float) -> str:
    """The colour `share` of the way from `code` to `other`."""
    pairs = ((int(code[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def curve(points: Sequence[Point], *, closed: bool) -> skia.Path:
    """A smooth path through the points (Catmull-Rom)."""
    count = len(points)

    def at(index: int) -> Point:
        return points[index % count] if closed else points[max(0, min(count - 1, index))]

    builder = skia.PathBuilder()
    builder.moveTo(*points[0])
    for i in range(count if closed else count - 1):
        before, start, end, after = at(i - 1), at(i), at(i + 1), at(i + 2)
        builder.cubicTo(
            start[0] + (end[0] - before[0]) / 6,
            start[1] + (end[1] - before[1]) / 6,
            end[0] - (after[0] - start[0]) / 6,
            end[1] - (after[1] - start[1]) / 6,
            *end,
        )
    if closed:
        builder.close()
    return builder.detach()


def polygon(points: Sequence[Point], *, closed: bool = True) -> skia.Path:
    """A path of straight lines."""
    return skia.Path.Polygon([skia.Point(*point) for point in points], closed)


def vertical(stops: Sequence[str | tuple[str, float]], top: float, bottom: float) -> skia.Shader:
    """Even vertical gradient of colour codes, or of (code, alpha)."""
    colours = [colour(stop) if isinstance(stop, str) else colour(*stop) for stop in stops]
    return skia.GradientShader.MakeLinear([skia.Point(0, top), skia.Point(0, bottom)], colours)


def across(stops: Sequence[tuple[str, float]], left: float, right: float) -> skia.Shader:
    """Even horizontal gradient of (code, alpha)."""
    colours = [colour(*stop) for stop in stops]
    return skia.GradientShader.MakeLinear([skia.Point(left, 0), skia.Point(right, 0)], colours)


def radial(centre: Point, radius: float, stops: Sequence[tuple[str, float]]) -> skia.Shader:
    """Even gradient of (code, alpha) from the centre outwards."""
    return skia.GradientShader.MakeRadial(
        skia.Point(*centre), radius, [colour(*stop) for stop in stops]
    )


class Brush:
    """Draws on `canvas`; `blend` names a skia.BlendMode, `blur` is in picture units."""

    def __init__(self, canvas: skia.Canvas) -> None:
        self.canvas = canvas

    def fill(
        self,
        path: skia.Path,
        code: str,
        *,
        alpha: float = 1.0,
        volume: float = 0.16,
        blur: float = 0,
    ) -> None:
        """Fills a path, lighter above and darker below by the share `volume`."""
        paint = skia.Paint(AntiAlias=True, Color=colour(code, alpha))
        if volume:
            box = path.getBounds()
            stops = [(mix(code, "#ffffff", volume), alpha), (mix(code, "#101830", volume), alpha)]
            paint.setShader(vertical(stops, box.top(), box.bottom()))
        if blur:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        self.canvas.drawPath(path, paint)

    def wash(
        self,
        shader: skia.Shader | None = None,
        *,
        code: str = "#ffffff",
        alpha: float = 1.0,
        blend: str = "SrcOver",
        top: float = 0,
        bottom: float = SIDE,
    ) -> None:
        """Covers the whole width between `top` and `bottom`."""
        paint = skia.Paint(
            Color=colour(code, alpha), BlendMode=getattr(skia.BlendMode, f"k{blend}")
        )
        if shader is not None:
            paint.setShader(shader)
        self.canvas.drawRect(skia.Rect.MakeLTRB(-2, top, SIDE + 2, bottom), paint)

    def blob(self, points: Sequence[Point], code: str, **options: float) -> None:
        """A smooth closed shape through the points."""
        self.fill(curve(points, closed=True), code, **options)

    def poly(self, points: Sequence[Point], code: str, **options: float) -> None:
        """A straight-edged closed shape."""
        self.fill(polygon(points), code, **options)

    def oval(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        code: str,
        *,
        turn: float = 0,
        **options: float,
    ) -> None:
        """An ellipse around (x, y), turned by `turn` degrees."""
        path = skia.Path.Oval(skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry))
        if turn:
            matrix = skia.Matrix()
            matrix.setRotate(turn, x, y)
            path.transform(matrix)
        self.fill(path, code, **options)

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        code: str,
        *,
        round_by: float = 0,
        **options: float,
    ) -> None:
        """A rectangle with corners rounded by `round_by`."""
        rect = skia.Rect.MakeLTRB(left, top, right, bottom)
        path = skia.Path.RRect(skia.RRect.MakeRectXY(rect, round_by, round_by))
        self.fill(path, code, **options)

    def line(
        self,
        points: Sequence[Point],
        code: str,
        width: float,
        *,
        alpha: float = 1.0,
        smooth: bool = True,
        blur: float = 0,
    ) -> None:
        """A stroke with round ends."""
        path = curve(points, closed=False) if smooth else polygon(points, closed=False)
        paint = skia.Paint(
            AntiAlias=True,
            Color=colour(code, alpha),
            Style=skia.Paint.kStroke_Style,
            StrokeWidth=width,
            StrokeCap=skia.Paint.kRound_Cap,
            StrokeJoin=skia.Paint.kRound_Join,
        )
        if blur:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        self.canvas.drawPath(path, paint)

    def ring(self, x: float, y: float, radius: float, code: str, width: float) -> None:
        """A circle line."""
        steps = [math.tau * i / 12 for i in range(13)]
        points = [(x + radius * math.cos(t), y + radius * math.sin(t)) for t in steps]
        self.line(points, code, width)

    def star(self, x: float, y: float, radius: float, code: str, **options: float) -> None:
        """A four-pointed sparkle."""
        tips = [(radius if i % 2 == 0 else radius * 0.28, math.tau * i / 8) for i in range(8)]
        points = [(x + r * math.sin(t), y - r * math.cos(t)) for r, t in tips]
        self.poly(points, code, volume=0, **options)
