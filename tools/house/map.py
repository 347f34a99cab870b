"""The map of the house: rooms on their floors, and who uses whom."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from .imports import FLOORS, UNDER_ALL, files_of, imports_of, room_of

PLACES = {
    "commands": (0, 6), "study": (2, 6), "loop": (0, 5), "embedded": (2, 5), "reading": (0, 4),
    "control": (1, 3.5), "refining": (0, 3), "pictures": (2, 3.5), "lvlm": (0, 2), "plane": (0, 1),
    "records": (0, 0),
}  # fmt: skip
"""Column and floor of each room of the library."""
WIDTH, HEIGHT, STEP = 1.5, 0.55, 2.1


def draw_map(path: Path) -> None:
    """Draws the library's rooms; an arrow leads from a room to one that it uses.

    A room's number counts its files; an arrow is as thick as there are imports.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    files = Counter(file.parts[-2] for file in files_of("emofeedback"))
    arrows = Counter(
        (room_of(each.importer), room_of(each.imported))
        for each in imports_of()
        if each.importer.startswith("emofeedback.") and each.imported.startswith("emofeedback.")
    )
    figure = Figure(figsize=(8, 7.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    shown = {room: place for room, place in PLACES.items() if files[room] and room in FLOORS}
    for (one, other), number in arrows.items():
        if one == other or one not in shown or other not in shown or other in UNDER_ALL:
            continue
        (x, y), (u, v) = shown[one], shown[other]
        axes.add_patch(
            FancyArrowPatch(
                (x * STEP, y), (u * STEP, v), arrowstyle="-|>", mutation_scale=9, color="#88a",
                linewidth=min(0.4 + number / 10, 2), connectionstyle="arc3,rad=0.12", shrinkA=18,
                shrinkB=18, zorder=1,
            )
        )  # fmt: skip
    for room, (x, y) in shown.items():
        corner = (x * STEP - WIDTH / 2, y - HEIGHT / 2)
        box = FancyBboxPatch(
            corner, WIDTH, HEIGHT, boxstyle="round,pad=0.05", facecolor="#f4efe2", edgecolor="#445",
            zorder=2,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(x * STEP, y, f"{room}  {files[room]}", ha="center", va="center", zorder=3)
    axes.text(STEP, 7, "nodes   →   emofeedback   ←   training, tools", ha="center", weight="bold")
    axes.set_xlim(-1.2, 2 * STEP + 1.2)
    axes.set_ylim(-0.6, 7.4)
    axes.axis("off")
    FigureCanvasAgg(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
