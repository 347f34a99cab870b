"""The map of the house: rooms on their floors, and who uses whom."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .imports import files_of, imports_of, room_of

Point = tuple[float, float]

MAIN = ("loop", "reading", "refining", "lvlm", "plane", "records")
BESIDE = ("commands", "study", "embedded", "control", "pictures")
"""Rooms from above: each floor of the main column uses those below it."""
WIDTH, HEIGHT, APART = 1.5, 0.5, 4.2


def draw_map(path: Path) -> None:
    """Draws the library's rooms; an arrow leads from a room to one that it uses.

    A room's number counts its files; an arrow is as thick as there are imports. Arrows run between
    the columns or outside of them, never behind a room.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    files = Counter(file.parts[-2] for file in files_of("emofeedback"))
    places = {
        room: (column * APART, 5 - floor * 5 / (len(rooms) - 1))
        for column, rooms in enumerate((MAIN, [room for room in BESIDE if files[room]]))
        for floor, room in enumerate(rooms)
    }
    arrows = Counter(
        (one, other)
        for each in imports_of()
        if each.importer.startswith("emofeedback.")
        and each.imported.startswith("emofeedback.")
        and (one := room_of(each.importer)) != (other := room_of(each.imported))
        and {one, other} <= places.keys()
    )
    figure = Figure(figsize=(8, 6.4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for (one, other), number in arrows.items():
        start, end, bend = _way(places[one], places[other])
        axes.add_patch(
            FancyArrowPatch(
                start, end, arrowstyle="-|>", mutation_scale=9, color="#88a", shrinkA=0, shrinkB=0,
                linewidth=min(0.4 + number / 10, 2), connectionstyle=f"arc3,rad={bend}",
            )
        )  # fmt: skip
    for room, (x, y) in places.items():
        corner = (x - WIDTH / 2, y - HEIGHT / 2)
        box = FancyBboxPatch(
            corner, WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.08", facecolor="#f4efe2",
            edgecolor="#445",
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(x, y, f"{room}  {files[room]}", ha="center", va="center")
    title = "nodes   →   emofeedback   ←   training, tools"
    axes.text(APART / 2, 5.7, title, ha="center", weight="bold")
    axes.set_xlim(-2.3, APART + 2.3)
    axes.set_ylim(-0.4, 6)
    axes.axis("off")
    FigureCanvasAgg(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _way(one: Point, other: Point) -> tuple[Point, Point, float]:
    """Where an arrow leaves a room, where it reaches another, and how far it bends."""
    (x, y), (u, v) = one, other
    if x == u and 0 < y - v <= 1:
        return (x, y - HEIGHT / 2), (u, v + HEIGHT / 2), 0.0
    lean = (v - y) / 5 * HEIGHT / 2  # towards the other room, so that arrows part
    if x == u:  # around the rooms between, on the outer side
        outer = x + (WIDTH / 2 if x else -WIDTH / 2)
        return (outer, y + lean), (outer, v - lean), -0.3 if x else 0.3
    inner, reached = (x + WIDTH / 2, u - WIDTH / 2) if x < u else (x - WIDTH / 2, u + WIDTH / 2)
    return (inner, y + lean), (reached, v - lean), 0.0
