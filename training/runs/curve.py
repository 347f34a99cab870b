"""The learning curve of runs: what the judge and the reward saw on held-out prompts over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emofeedback.errors import ConfigError

from .tracking import LOG_FILE, read_log

CURVE_FILE = "curve.png"
PANELS: dict[str, tuple[str, tuple[float | None, float | None]]] = {
    "watch/error": ("judged V-Error + A-Error", (0, None)),
    "watch/judged_content": ("judged content", (0, 1.05)),
    "watch/reward": ("reward", (None, None)),
}
"""Measure: title, and limits of its axis where a magnified end would mislead."""
WIDTH = 1100


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """The measurements of a run's watch, oldest first.

    Raises: ConfigError: the folder holds no log, or its log fewer than two measurements.
    """
    path = folder / LOG_FILE
    if not path.is_file():
        raise ConfigError(f"{folder} holds no {LOG_FILE}. Give the folder of a training run.")
    found = [line for line in read_log(path) if {"time/total_s", "watch/reward"} <= line.keys()]
    if len(found) < 2:
        raise ConfigError(
            f"{path} holds {len(found)} measurements on held-out prompts; a curve needs 2. "
            "Train longer, or set watch.every lower."
        )
    return found


def save_curves(folders: Sequence[Path], path: Path) -> None:
    """Draw the curves of runs over minutes of training, one panel a measure that any run has.

    Raises: ConfigError: as `read_curve`, or the picture cannot be written there.
    """
    from PIL import Image

    from emofeedback.pictures.theme import THEMES, blank_figure, picture_of, style_axes

    curves = [(folder.name, read_curve(folder)) for folder in folders]
    panels = [name for name in PANELS if any(name in lines[-1] for _, lines in curves)]
    theme = THEMES["light"]
    colours = (theme.path, theme.target, "#009E73", "#CC79A7", theme.candidate)
    figure = blank_figure(theme, size=WIDTH, aspect=0.36)
    for place, name in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place)
        style_axes(axes, theme)
        axes.tick_params(labelsize=6)
        title, limits = PANELS[name]
        axes.set_title(title, color=theme.ink, fontsize=7)
        axes.set_xlabel("minutes", color=theme.ink, fontsize=6)
        for index, (run, lines) in enumerate(curves):
            points = [(line["time/total_s"] / 60, line[name]) for line in lines if name in line]
            minutes, values = zip(*points, strict=True) if points else ((), ())
            axes.plot(
                minutes, values, marker="o", markersize=2.5, linewidth=1,
                color=colours[index % len(colours)], label=run,
            )  # fmt: skip
        if limits[0] is not None:  # the margin at the top is a share of what is shown
            axes.update_datalim([(0, limits[0])])
            axes.autoscale_view()
        axes.set_ylim(*limits)
        if place == 1 and len(curves) > 1:
            axes.legend(fontsize=5, frameon=False)
    figure.tight_layout()
    pixels = (picture_of(figure)[0] * 255).round().byte().numpy()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    except (OSError, ValueError) as error:  # ValueError: an ending that names no picture format
        raise ConfigError(
            f"The curve cannot be written to {path} ({error}). Give a file such as {CURVE_FILE}."
        ) from error
