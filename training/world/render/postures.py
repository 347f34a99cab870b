"""Postures: how a subject stands, the same for a bear and for a house.

A posture is an affine move and perhaps a bend of the subject's picture, with a few marks (a plinth,
arcs, tears) that make it readable at 128 px.
"""

import math
from dataclasses import dataclass

from .brush import Brush, colour, skia, vertical
from .things import SUBJECTS

GROUND = 219.0
"""Height in the picture on which subjects stand."""
CENTRE = 128.0
"""Where between left and right they stand, in picture units."""
_BOX = skia.Rect.MakeLTRB(-96, -164, 96, 14)
_BEND_ROWS = 10


@dataclass(frozen=True)
class Posture:
    """Scales, lift (picture units), turn (degrees) and sideways bend of the top (picture units)."""

    wide: float = 1.0
    tall: float = 1.0
    lift: float = 0.0
    turn: float = 0.0
    bend: float = 0.0


POSTURES: dict[str, Posture] = {
    "plain": Posture(),
    "proud": Posture(wide=0.95, tall=1.06, lift=19),
    "leaping": Posture(wide=0.94, tall=1.02, lift=36, turn=-9),
    "drooping": Posture(wide=1.0, tall=0.8, bend=44),
    "resting": Posture(wide=1.15, tall=0.64),
    "reeling": Posture(wide=0.95, tall=0.95, lift=3, turn=21),
}


def _record(subject: str) -> skia.Picture:
    recorder = skia.PictureRecorder()
    canvas = recorder.beginRecording(_BOX)
    canvas.saveLayer(_BOX, None)
    SUBJECTS[subject](Brush(canvas))
    light = skia.Paint(BlendMode=skia.BlendMode.kSrcATop)
    light.setShader(
        vertical([("#fff4d8", 0.2), ("#fff4d8", 0.0), ("#141a3a", 0.0), ("#141a3a", 0.3)], -145, 0)
    )
    canvas.drawRect(_BOX, light)
    canvas.restore()
    return recorder.finishRecordingAsPicture()


def _draw_bent(canvas: skia.Canvas, picture: skia.Picture, bend: float, zoom: float) -> None:
    """Draws the picture over a mesh whose rows slide sideways and down towards the top."""
    surface = skia.Surface(math.ceil(_BOX.width() * zoom), math.ceil(_BOX.height() * zoom))
    inner = surface.getCanvas()
    inner.scale(zoom, zoom)
    inner.translate(-_BOX.left(), -_BOX.top())
    inner.drawPicture(picture)
    places, texels = [], []
    for row in range(_BEND_ROWS + 1):
        y = _BOX.top() + _BOX.height() * row / _BEND_ROWS
        up = max(0.0, -y / 145)
        for x in (_BOX.left(), _BOX.right()):
            lean = 0.9 * up * up
            swing = (x / 96) * bend * 0.75 * up * up
            places.append(skia.Point(x + bend * lean, y + swing))
            texels.append(skia.Point((x - _BOX.left()) * zoom, (y - _BOX.top()) * zoom))
    mesh = skia.Vertices(skia.Vertices.kTriangleStrip_VertexMode, places, texels)
    sampling = skia.SamplingOptions(skia.FilterMode.kLinear)
    shader = surface.makeImageSnapshot().makeShader(
        skia.TileMode.kDecal, skia.TileMode.kDecal, sampling
    )
    canvas.drawVertices(mesh, skia.Paint(Shader=shader, AntiAlias=True))


@dataclass(frozen=True)
class Standing:
    """A subject in the middle of the picture, always the same way round.

    Where it stands is not left to chance: a small generator would have to learn it anew for every
    spot, and spend on that what it needs for the subject itself.
    """

    subject: str
    posture: str

    def draw(self, brush: Brush) -> None:
        """Shadow, marks of the posture and the subject."""
        move = POSTURES[self.posture]
        _shadow(brush, move.wide, move.lift if self.posture != "proud" else 0)
        _marks_behind(brush, self.posture)
        halo = skia.ImageFilters.DropShadow(0, 0, 2.2, 2.2, colour("#fff8e4", 0.75))
        self._paint(brush.canvas, skia.Paint(ImageFilter=halo), echoes=True)
        _marks_before(brush, self.posture)

    def shine_through(self, brush: Brush, alpha: float) -> None:
        """The subject alone once more, over all that covers it, so that it stays recognisable."""
        self._paint(brush.canvas, skia.Paint(Alphaf=alpha), echoes=False)

    def _paint(self, canvas: skia.Canvas, paint: skia.Paint, *, echoes: bool) -> None:
        move = POSTURES[self.posture]
        picture = _record(self.subject)
        canvas.save()
        canvas.translate(CENTRE, GROUND - move.lift)
        canvas.rotate(move.turn)
        canvas.scale(move.wide, move.tall)
        if echoes and self.posture == "reeling":
            for dx in (-13, 13):
                canvas.save()
                canvas.translate(dx, 0)
                canvas.drawPicture(picture, skia.Matrix(), skia.Paint(Alphaf=0.3))
                canvas.restore()
        canvas.saveLayer(skia.Rect.MakeLTRB(-150, -175, 150, 30), paint)
        if move.bend:
            zoom = canvas.getTotalMatrix().getScaleY() * 1.3
            _draw_bent(canvas, picture, move.bend, zoom)
        else:
            canvas.drawPicture(picture)
        canvas.restore()
        canvas.restore()


def _shadow(brush: Brush, width: float, lift: float) -> None:
    spread = max(0.45, 1 - lift / 80)
    alpha = 0.5 if lift < 10 else 0.38
    brush.oval(
        CENTRE,
        GROUND + 1,
        66 * width * spread,
        9 * spread,
        "#0c1024",
        alpha=alpha,
        volume=0,
        blur=3,
    )


def _marks_behind(brush: Brush, posture: str) -> None:
    if posture != "proud":
        return
    x = CENTRE
    for i in range(11):
        angle = math.pi * (1 + i / 10)
        inner, outer = 84, 104 if i % 2 else 98
        cx, cy = math.cos(angle), math.sin(angle)
        centre = GROUND - 78
        brush.line(
            [(x + inner * cx, centre + inner * cy), (x + outer * cx, centre + outer * cy)],
            "#f2bb32",
            5,
        )
    brush.box(x - 62, GROUND - 10, x + 62, GROUND + 8, "#a9a4a0", round_by=2)
    brush.box(x - 54, GROUND - 21, x + 54, GROUND - 9, "#d6d1ca", round_by=2)


def _marks_before(brush: Brush, posture: str) -> None:
    x = CENTRE
    if posture == "leaping":
        for k, length in enumerate((11, 20, 25, 20, 11)):
            dx = (k - 2) * 21
            stroke = [(x + dx, GROUND - 5), (x + dx * 0.9, GROUND - 5 - length)]
            brush.line(stroke, "#2c3658", 6.5, alpha=0.5)
            brush.line(stroke, "#ffffff", 4)
        for dx in (-58, 58):
            for k, r in enumerate((10, 7)):
                brush.oval(
                    x + dx * (1 + 0.22 * k), GROUND - 2 - 4 * k, r, r * 0.8, "#f2ece0", alpha=0.85
                )
    elif posture == "drooping":
        for dx, y in ((52, 158), (66, 178), (44, 192)):
            cx = x + dx
            drop = [(cx, y - 11), (cx + 5, y), (cx, y + 5), (cx - 5, y)]
            brush.blob(drop, "#3f8fe0")
            brush.oval(cx - 1.5, y, 1.4, 2, "#e4f2ff", volume=0)
    elif posture == "resting":
        for k in range(3):
            size = 7 + 3.5 * k
            cx, cy = x + 34 + 17 * k, GROUND - 98 - 20 * k
            letter = [
                (cx - size / 2, cy - size / 2),
                (cx + size / 2, cy - size / 2),
                (cx - size / 2, cy + size / 2),
                (cx + size / 2, cy + size / 2),
            ]
            brush.line(letter, "#2a2f5c", 5.5, smooth=False)
            brush.line(letter, "#ffffff", 2.8, smooth=False)
    elif posture == "reeling":
        for s in (-1, 1):
            for k in range(2):
                sx = x + s * (78 + 13 * k)
                zig = [
                    (sx, GROUND - 112 + 14 * k),
                    (sx + s * 8, GROUND - 96 + 14 * k),
                    (sx, GROUND - 80 + 14 * k),
                    (sx + s * 8, GROUND - 64 + 14 * k),
                ]
                brush.line(zig, "#1c1424", 5.5, smooth=False)
                brush.line(zig, "#ffd23c", 2.8, smooth=False)
