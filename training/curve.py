"""The learning curve of runs: what the judge and the reward saw on held-out prompts over time.

    python -m training.curve runs/rl/RUN [runs/rl/OTHER ...] --out curve.png

Every generator run draws its own as `curve.png` when it ends.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emofeedback.errors import ConfigError, EmoFeedbackError

from .tracking import read_log

log = logging.getLogger(__name__)
CURVE_FILE, LOG_FILE = "curve.png", "log.jsonl"
PANELS: dict[str, tuple[str, dict[str, float]]] = {
    "watch/error": ("judged V-Error + A-Error", {"bottom": 0}),
    "watch/judged_content": ("judged content", {"bottom": 0, "top": 1.05}),
    "watch/reward": ("reward", {}),
}
"""Measure: title, and limits of its axis where a magnified end would mislead."""
WIDTH = 1100


def read_curve(folder: Path) -> list[Mapping[str, Any]]:
    """The measurements of a run's watch, oldest first.

    Raises: ConfigError: the folder holds no log, or its log fewer than two measurements.
    """
    path = folder / LOG_FILE
    if not path.is_file():
        raise ConfigError(f"{folder} holds no {LOG_FILE}. Give the folder of a training run.")
    found = [line for line in read_log(path) if "watch/reward" in line]
    if len(found) < 2:
        raise ConfigError(
            f"{path} holds {len(found)} measurements on held-out prompts; a curve needs 2. "
            "Train longer, or set watch.every lower."
        )
    return found


def save_curves(folders: Sequence[Path], path: Path) -> None:
    """Draw the curves of runs over minutes of training, one panel a measure that any run has.

    Raises: ConfigError: as `read_curve`.
    """
    from PIL import Image

    from emofeedback.figures import THEMES, blank_figure, picture_of, style_axes

    curves = {folder.name: read_curve(folder) for folder in folders}
    panels = [name for name in PANELS if any(name in lines[-1] for lines in curves.values())]
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
        for index, (run, lines) in enumerate(curves.items()):
            points = [(line["time/total_s"] / 60, line[name]) for line in lines if name in line]
            axes.plot(
                *zip(*points, strict=True), marker="o", markersize=2.5, linewidth=1,
                color=colours[index % len(colours)], label=run,
            )  # fmt: skip
        axes.set_ylim(**limits)
        if place == 1 and len(curves) > 1:
            axes.legend(fontsize=5, frameon=False)
    figure.tight_layout()
    pixels = (picture_of(figure)[0] * 255).round().byte().numpy()
    Image.fromarray(pixels).save(path)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 where the user has to change something."""
    parser = argparse.ArgumentParser(
        prog="python -m training.curve",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--out", type=Path, default=Path(CURVE_FILE))
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        save_curves(options.runs, options.out)
    except EmoFeedbackError as error:
        log.error("%s", error)
        return 2
    log.info("wrote %s", options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
