"""`python -m tools.badge FOLDER`: icon and banner of the pack for ComfyUI's registry."""

import sys
from pathlib import Path

import numpy as np

INK, PATH, TARGET = "#22303c", "#2f6f9f", "#d9622b"
WAY = np.array([(-0.62, 0.55), (-0.1, 0.35), (0.02, -0.15), (0.5, -0.42)])
"""A loop's way over the plane, round by round, to where it was asked to go."""


def draw(path: Path, width: float, height: float) -> None:
    """One picture of width x height inches at 100 pixels an inch: the plane, a way, its target."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, facecolor="#f7f3ea")
    side = min(width, height)
    axes = figure.add_axes((0.02, 0.02, 0.96 * side / width, 0.96 * side / height))
    circle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(circle), np.sin(circle), color=INK, linewidth=side)
    for line in ((-1, 1), (0, 0)), ((0, 0), (-1, 1)):
        axes.plot(*line, color=INK, linewidth=side / 3, alpha=0.5)
    axes.plot(*WAY.T, color=PATH, linewidth=side * 1.4, marker="o", markersize=side * 4)
    axes.plot(*WAY[-1], color=TARGET, marker="*", markersize=side * 12)
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-1.1, 1.1)
    axes.axis("off")
    if width > 1.5 * height:
        figure.text(0.46, 0.52, "EmoFeedback", fontsize=height * 10, color=INK, weight="bold")
        words = "pictures that feel the way you want"
        figure.text(0.46, 0.36, words, fontsize=height * 4.4, color=INK)
    FigureCanvasAgg(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(folder: Path) -> None:
    """Writes icon.png (400 x 400) and banner.png (21 : 9)."""
    draw(folder / "icon.png", 4, 4)
    draw(folder / "banner.png", 10.5, 4.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
