"""Living subjects. Box: x in [-75, 75], y from -145 (top) to 0 (ground), facing right."""

import math

from .brush import Brush


def dog(brush: Brush) -> None:
    """A tan dog with dark ears and a red collar, standing."""
    coat, dark = "#d79a4e", "#6e4220"
    brush.line([(-44, -66), (-66, -84), (-64, -112)], coat, 13)
    for x in (-34, 14):
        brush.line([(x + 9, -44), (x + 8, -5)], "#a8713a", 15)
    brush.oval(-6, -60, 48, 29, coat)
    brush.oval(4, -46, 34, 14, "#f0c98c", alpha=0.8, volume=0)
    for x in (-40, 26):
        brush.line([(x, -50), (x, -7)], coat, 17)
        brush.oval(x + 4, -5, 12, 6, "#f0d3a2")
    brush.line([(30, -74), (42, -92)], coat, 34)
    brush.oval(44, -106, 30, 27, coat)
    brush.oval(64, -97, 19, 13, "#f0d3a2")
    brush.oval(78, -102, 7, 6, "#2a1a14")
    brush.oval(24, -100, 12, 25, dark, turn=14)
    brush.oval(50, -112, 5, 6, "#20140f")
    brush.oval(51.5, -114, 1.8, 1.8, "#ffffff", volume=0)
    brush.line([(22, -76), (38, -70), (52, -78)], "#cf2f2f", 8)


def cat(brush: Brush) -> None:
    """A black cat with green eyes and a white chest, sitting."""
    coat = "#2c2b38"
    brush.line([(30, -8), (62, -14), (66, -46), (50, -66)], coat, 13)
    brush.blob(
        [(-40, -2), (-40, -42), (-22, -84), (22, -84), (40, -42), (40, -2)], coat, volume=0.2
    )
    brush.blob([(-15, -76), (0, -84), (15, -76), (11, -42), (0, -30), (-11, -42)], "#f2efe8")
    for x in (-17, 17):
        brush.oval(x, -7, 15, 8, "#f2efe8")
    for s in (-1, 1):
        brush.poly([(s * 36, -106), (s * 31, -146), (s * 5, -124)], coat)
        brush.poly([(s * 30, -116), (s * 28, -136), (s * 13, -123)], "#d98f98", volume=0)
    brush.oval(0, -102, 38, 31, coat, volume=0.2)
    for s in (-1, 1):
        brush.oval(s * 16, -106, 10, 10, "#9be04a")
        brush.oval(s * 16, -106, 3, 9, "#11131a", volume=0)
        for dy in (-3, 4):
            brush.line([(s * 12, -88), (s * 44, -90 + dy)], "#e8e6e0", 1.4)
    brush.oval(0, -90, 13, 8, "#f2efe8")
    brush.poly([(-5, -96), (5, -96), (0, -90)], "#e58f9a", volume=0)


def bird(brush: Brush) -> None:
    """A big blue bird with a yellow beak, standing."""
    for x in (-6, 14):
        brush.line([(x, -34), (x, -4)], "#e8842c", 6)
        brush.line([(x - 10, -2), (x, -5), (x + 13, -2)], "#e8842c", 5)
    brush.poly([(-28, -62), (-78, -48), (-74, -32), (-66, -36), (-60, -24), (-20, -40)], "#1f4f9c")
    brush.blob([(-44, -58), (-12, -94), (26, -92), (46, -62), (26, -30), (-16, -28)], "#3b82dc")
    brush.blob([(6, -40), (34, -86), (46, -62), (30, -34)], "#f6efe0", volume=0.05)
    brush.oval(30, -108, 29, 27, "#3b82dc")
    brush.poly([(16, -130), (4, -150), (28, -136), (26, -148), (36, -132)], "#1f4f9c")
    brush.poly([(54, -116), (84, -104), (54, -95)], "#f8bd2c")
    brush.oval(38, -112, 9, 9, "#ffffff", volume=0)
    brush.oval(40, -112, 5, 5, "#141824", volume=0)
    brush.blob([(-40, -58), (-8, -84), (20, -72), (8, -46), (-24, -40)], "#1c4a98")
    brush.line([(-24, -50), (2, -56), (14, -68)], "#6aa8f0", 4)


def horse(brush: Brush) -> None:
    """A white horse with a brown mane and a purple saddle cloth."""
    coat, mane = "#f3eee4", "#8a5230"
    brush.line([(-48, -84), (-68, -66), (-64, -24)], mane, 14)
    for x in (-30, 24):
        brush.line([(x + 8, -62), (x + 8, -8)], "#c9c0b4", 12)
    brush.oval(-8, -76, 47, 27, coat)
    for x in (-44, 32):
        brush.line([(x, -66), (x - 1, -34), (x, -9)], coat, 14)
        brush.box(x - 8, -9, x + 9, 0, "#4a3a34", round_by=3)
    brush.poly([(14, -92), (38, -138), (60, -130), (44, -64)], coat)
    brush.oval(59, -122, 25, 14, coat, turn=32)
    brush.oval(75, -109, 8, 8, "#d8b8ac")
    brush.poly([(40, -134), (42, -152), (52, -136)], coat)
    brush.oval(56, -127, 4, 4.5, "#221a18", volume=0)
    brush.line([(40, -140), (28, -122), (20, -102), (10, -88)], mane, 13)
    brush.poly([(-26, -104), (14, -104), (18, -70), (-30, -70)], "#7a3fb0")
    brush.line([(-28, -72), (16, -72)], "#f0c63c", 4)
    brush.oval(-6, -104, 17, 6, "#5a3420")


def fish(brush: Brush) -> None:
    """An orange fish with white bands above a splash of water."""
    brush.oval(0, -5, 52, 9, "#5fb4dc", alpha=0.9)
    brush.oval(0, -7, 36, 4, "#d9f1fa", alpha=0.9, volume=0)
    for x, top in ((-40, -34), (-22, -20), (26, -22), (42, -36)):
        brush.line([(x * 0.7, -8), (x, top)], "#8fd0ee", 5)
        brush.oval(x, top - 4, 4.5, 5.5, "#bfe6f7")
    brush.poly([(-38, -80), (-80, -116), (-70, -80), (-80, -44)], "#e0561c")
    brush.blob([(-24, -108), (-8, -140), (20, -132), (28, -106)], "#e0561c")
    brush.blob([(-6, -52), (-14, -32), (14, -38), (16, -52)], "#e0561c")
    brush.blob([(-54, -80), (-20, -112), (30, -116), (72, -84), (34, -46), (-18, -48)], "#f5822a")
    for x, half in ((-20, 32), (26, 34)):
        brush.blob(
            [
                (x - 7, -80 - half),
                (x + 7, -80 - half),
                (x + 12, -80),
                (x + 5, -80 + half),
                (x - 7, -80 + half),
                (x - 1, -80),
            ],
            "#fff7ea",
            volume=0.05,
        )
    brush.oval(51, -90, 11, 11, "#ffffff", volume=0)
    brush.oval(54, -90, 6, 6, "#17161c", volume=0)
    brush.line([(58, -70), (66, -72), (71, -78)], "#8c2f10", 3)
    brush.blob([(0, -84), (-20, -70), (-4, -60), (10, -72)], "#d8601c")


def bear(brush: Brush) -> None:
    """A big dark-brown bear, sitting, seen from the front."""
    coat, pale = "#6b3f26", "#d6a878"
    for s in (-1, 1):
        brush.oval(s * 26, -136, 13, 13, coat)
        brush.oval(s * 26, -135, 7, 7, pale)
    brush.oval(0, -48, 50, 48, coat, volume=0.2)
    brush.oval(0, -44, 31, 34, pale)
    for s in (-1, 1):
        brush.oval(s * 48, -58, 15, 32, coat, turn=s * -22)
        brush.oval(s * 36, -15, 23, 17, coat)
        brush.oval(s * 38, -13, 13, 11, pale)
    brush.oval(0, -108, 39, 33, coat, volume=0.2)
    brush.oval(0, -97, 20, 15, pale)
    brush.oval(0, -104, 8, 6, "#1e1412")
    brush.line([(-8, -90), (0, -87), (8, -90)], "#1e1412", 2.5)
    for s in (-1, 1):
        brush.oval(s * 16, -116, 4.6, 5.4, "#160e0c")
        brush.oval(s * 16 + 1.5, -118, 1.6, 1.6, "#ffffff", volume=0)


def person(brush: Brush) -> None:
    """Somebody in a yellow coat with a red scarf, seen from the front."""
    for s in (-1, 1):
        brush.line([(s * 12, -44), (s * 13, -12)], "#2f4078", 16)
        brush.box(s * 13 - 11, -16, s * 13 + 11, 0, "#7a2c2c", round_by=5)
        brush.line([(s * 20, -92), (s * 38, -72), (s * 40, -52)], "#e0a818", 15)
        brush.oval(s * 40, -46, 7, 8, "#f0c09c")
    brush.poly([(-22, -104), (22, -104), (38, -34), (-38, -34)], "#f8c828", volume=0.12)
    brush.line([(0, -98), (0, -37)], "#b88410", 2.5)
    for y in (-84, -66, -49):
        brush.oval(5, y, 2.8, 2.8, "#7a5410", volume=0)
    brush.oval(0, -122, 21, 23, "#4a2c1c")
    brush.oval(0, -119, 17, 19, "#f3c6a2")
    brush.blob([(-18, -126), (-12, -144), (12, -144), (18, -126), (4, -134)], "#4a2c1c")
    for s in (-1, 1):
        brush.oval(s * 7, -119, 2.6, 3.2, "#241a18", volume=0)
    brush.line([(-5, -109), (0, -107), (5, -109)], "#a8483c", 2)
    brush.line([(-18, -102), (0, -97), (18, -102)], "#d8332e", 10)
    brush.line([(12, -98), (16, -74)], "#d8332e", 9)


def sunflower(brush: Brush) -> None:
    """A tall sunflower in a clay pot."""
    brush.line([(0, -28), (-3, -60), (0, -96)], "#4a8a34", 9)
    brush.blob([(-2, -46), (-34, -70), (-52, -58), (-30, -42)], "#4f9a3a")
    brush.blob([(2, -54), (34, -78), (52, -66), (30, -50)], "#3f8430")
    brush.poly([(-30, -34), (30, -34), (22, 0), (-22, 0)], "#c0623c", volume=0.2)
    brush.box(-35, -42, 35, -30, "#d4774c", round_by=3)
    for ring, reach, code in ((0.0, 47, "#e89a10"), (0.5, 44, "#fbcb24")):
        for i in range(13):
            angle = math.tau * (i + ring) / 13
            x, y = math.cos(angle), math.sin(angle)
            side = (-y * 8, x * 8)
            tip = (x * reach, -100 + y * reach)
            middle = (x * 28, -100 + y * 28)
            brush.blob(
                [
                    (x * 10, -100 + y * 10),
                    (middle[0] + side[0], middle[1] + side[1]),
                    tip,
                    (middle[0] - side[0], middle[1] - side[1]),
                ],
                code,
                volume=0.06,
            )
    brush.oval(0, -100, 23, 23, "#5a3418")
    brush.oval(-2, -103, 14, 13, "#7c4c22")
