"""Subjects that do not live, and the tree. Same box as the animals."""

import math
from collections.abc import Callable

from .animals import bear, bird, cat, dog, fish, horse, person, sunflower
from .brush import Brush

Subject = Callable[[Brush], None]


def boat(brush: Brush) -> None:
    """A sailing boat with a red hull and white sails."""
    brush.line([(2, -34), (2, -142)], "#6a4428", 6)
    brush.poly([(2, -142), (28, -134), (2, -126)], "#f59a1e", volume=0)
    brush.blob(
        [(9, -124), (9, -122), (46, -74), (64, -48), (62, -46), (9, -46)], "#fbf7ec", volume=0.1
    )
    brush.blob([(-5, -118), (-32, -70), (-48, -48), (-46, -46), (-5, -46)], "#e6dcc6", volume=0.1)
    brush.line([(14, -84), (40, -82)], "#3f7fb8", 6, alpha=0.9)
    brush.line([(14, -70), (50, -67)], "#3f7fb8", 6, alpha=0.9)
    brush.blob(
        [(-70, -40), (-40, -36), (40, -36), (72, -42), (56, -10), (40, -1), (-40, -1), (-58, -12)],
        "#c8322c",
        volume=0.24,
    )
    brush.line([(-66, -34), (-20, -29), (30, -29), (68, -36)], "#fbf2e2", 5)


def tree(brush: Brush) -> None:
    """A round light-green tree with red apples."""
    brush.poly([(-15, 0), (-9, -60), (9, -60), (16, 0)], "#7a4d2a", volume=0.1)
    brush.line([(-4, -6), (-3, -54)], "#a8764a", 3)
    for x, y, r in (
        (-36, -76, 30),
        (36, -76, 30),
        (0, -72, 34),
        (-24, -108, 30),
        (26, -108, 30),
        (0, -116, 29),
    ):
        brush.oval(x, y, r, r * 0.95, "#4f9a34", volume=0.2)
    for x, y, r in ((-30, -86, 20), (20, -118, 22), (4, -88, 20), (40, -84, 15), (-16, -120, 15)):
        brush.oval(x, y, r, r * 0.8, "#8ccb4c", alpha=0.85, volume=0.08)
    for x, y in ((-42, -70), (-14, -92), (16, -66), (40, -98), (4, -124), (-30, -112), (28, -84)):
        brush.oval(x, y, 6, 6, "#d8302a")


def house(brush: Brush) -> None:
    """A small cream house with a red roof and a blue door."""
    brush.box(26, -128, 42, -86, "#a85a44")
    brush.box(-56, -72, 56, 0, "#f6e6c4", volume=0.08)
    brush.poly([(-72, -66), (-6, -134), (6, -134), (72, -66)], "#b8402c", volume=0.2)
    for k in range(3):
        y = -82 - k * 16
        half = 55 - k * 16
        brush.line([(-half, y), (half, y)], "#8c2c20", 2, alpha=0.6)
    brush.box(-13, -44, 13, 0, "#2f6ab0", round_by=4)
    brush.oval(8, -22, 2.5, 2.5, "#f6d860", volume=0)
    for x in (-36, 36):
        brush.box(x - 14, -56, x + 14, -26, "#ffffff", volume=0)
        brush.box(x - 11, -53, x + 11, -29, "#ffd868", volume=0.1)
        brush.line([(x, -53), (x, -29)], "#ffffff", 2.5)
        brush.line([(x - 11, -41), (x + 11, -41)], "#ffffff", 2.5)
    brush.oval(0, -92, 10, 10, "#ffd868")
    brush.ring(0, -92, 10, "#ffffff", 3)


def car(brush: Brush) -> None:
    """A small turquoise car."""
    brush.blob([(-48, -52), (-34, -92), (-8, -100), (22, -98), (44, -56)], "#159c9c", volume=0.2)
    brush.poly([(-38, -58), (-27, -88), (-3, -90), (-3, -58)], "#d6eef4", volume=0.1)
    brush.poly([(4, -58), (4, -90), (20, -88), (37, -58)], "#d6eef4", volume=0.1)
    brush.blob(
        [
            (-76, -22),
            (-75, -50),
            (-50, -62),
            (48, -62),
            (72, -52),
            (78, -22),
            (60, -14),
            (-60, -14),
        ],
        "#1fb4b0",
        volume=0.22,
    )
    brush.line([(-68, -30), (70, -30)], "#f4f6f4", 5)
    brush.oval(69, -44, 7, 8, "#fff2a8")
    brush.oval(-71, -44, 5, 7, "#e03a34")
    brush.line([(2, -58), (2, -24)], "#0c6c70", 2)
    brush.line([(-22, -50), (-12, -50)], "#0c6c70", 3)
    for x in (-42, 42):
        brush.oval(x, -18, 21, 19, "#23232b")
        brush.oval(x, -18, 10, 9, "#d4d6da")


def lighthouse(brush: Brush) -> None:
    """A white lighthouse with red stripes on a rock."""
    brush.blob(
        [(-50, 0), (-44, -16), (-16, -22), (18, -20), (46, -12), (52, 0)], "#6c6c78", volume=0.25
    )
    half = [31.0, 16.0]

    def width(y: float) -> float:
        return half[0] + (half[1] - half[0]) * (-14 - y) / 88

    for i in range(6):
        low, high = -14 - i * 88 / 6, -14 - (i + 1) * 88 / 6
        code = "#d2342c" if i % 2 else "#f8f4ea"
        corners = [(-width(low), low), (width(low), low), (width(high), high), (-width(high), high)]
        brush.poly(corners, code, volume=0.06)
    brush.poly([(8, -102), (16, -102), (31, -14), (16, -14)], "#20243c", alpha=0.22, volume=0)
    brush.box(-24, -109, 24, -101, "#2c3048", round_by=2)
    brush.box(-13, -128, 13, -109, "#ffe676", volume=0.05)
    brush.line([(0, -128), (0, -110)], "#2c3048", 3)
    brush.poly([(-18, -127), (0, -148), (18, -127)], "#b82a26")
    brush.box(-7, -34, 7, -14, "#3a2c2c", round_by=5)


def bicycle(brush: Brush) -> None:
    """A magenta bicycle with thick black tyres."""
    frame, tyre = "#d42a8c", "#26262e"
    for x in (-44, 44):
        for k in range(4):
            angle = math.pi * k / 4 + 0.3
            dx, dy = 26 * math.cos(angle), 26 * math.sin(angle)
            brush.line([(x - dx, -32 - dy), (x + dx, -32 + dy)], "#e2e4e8", 2)
        brush.ring(x, -32, 28, tyre, 8)
        brush.oval(x, -32, 5, 5, "#c9ccd2")
    for points in (
        [(-44, -32), (-4, -34)],
        [(-44, -32), (-18, -82)],
        [(-4, -34), (-20, -90)],
        [(-4, -34), (30, -86)],
        [(-18, -82), (29, -86)],
        [(44, -32), (26, -104)],
    ):
        brush.line(points, frame, 8.5)
    brush.line([(26, -104), (44, -110), (46, -100)], tyre, 7)
    brush.blob([(-38, -98), (-22, -101), (-4, -95), (-20, -89)], "#5a3420")
    brush.oval(-4, -34, 9, 9, "#70747c")
    brush.line([(-4, -34), (4, -16)], "#3a3c44", 5)
    brush.line([(-2, -14), (12, -14)], tyre, 5)
    brush.poly([(40, -104), (72, -104), (66, -76), (46, -76)], "#c08a4c")
    brush.line([(42, -92), (70, -92)], "#8a5a2c", 2.5)


SUBJECTS: dict[str, Subject] = {
    "boat": boat,
    "dog": dog,
    "tree": tree,
    "house": house,
    "person": person,
    "cat": cat,
    "bird": bird,
    "car": car,
    "horse": horse,
    "lighthouse": lighthouse,
    "bicycle": bicycle,
    "sunflower": sunflower,
    "fish": fish,
    "bear": bear,
}
