"""Many targets at once as pictures: errors over the plane, and answers along one axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ..errors import ConfigError
from ..plane.metrics import axis_metrics
from ..records.emotion import LIMIT, Emotion
from ..records.limits import check_choice
from ..records.reading import Outcome, Reading, measured
from .theme import Theme, blank_figure, picture_of, style_axes, theme_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = ("valence", "arousal")
MOST_LEVELS = 15
SHADES = "cividis"  # reads the same with and without red-green vision


@dataclass(frozen=True, slots=True)
class Answer:
    """A target and what was read from a picture made for it."""

    target: Emotion
    reading: Reading

    def pair(self, axis: str) -> tuple[float, float]:
        """Target and reading on "valence" or "arousal"."""
        return getattr(self.target, axis), getattr(self.reading.emotion, axis)


def answers_to(
    targets: Sequence[Emotion], readings: Sequence[Sequence[Outcome]]
) -> tuple[Answer, ...]:
    """Each target with the readings of its pictures, those that could not be read left out.

    Args:
        targets: in the order in which pictures were made.
        readings: one group a target, or a single group with one reading a target.
    Raises: ConfigError: none, or the counts do not fit.
    """
    groups = [tuple(group) for group in readings]
    if len(groups) == 1 and len(groups[0]) == len(targets):
        groups = [(reading,) for reading in groups[0]]
    if not targets or len(groups) != len(targets) or not all(groups):
        found = sum(len(group) for group in groups)
        raise ConfigError(
            f"{len(targets)} targets came with {found} readings in {len(groups)} groups. Connect "
            "the emotions of one grid, and the readings of the pictures made from them."
        )
    return tuple(
        Answer(target, reading)
        for target, group in zip(targets, groups, strict=True)
        for reading in measured(group)
    )


def error_map_chart(answers: Sequence[Answer], *, size: int = 960, theme: str = "light") -> Tensor:
    """Valence and arousal error over the plane of targets, side by side.

    A cell is the mean absolute gap of the pictures made for that target; the line above says the
    mean of all (V-Error, A-Error) and what always answering 0 would get.

    Returns: [1, H, size, 3] in 0..1, H about half of `size`.
    Raises: ConfigError: no answers, or targets that form no grid.
    """
    colours = theme_named(theme)
    levels = {axis: _levels(answers, axis) for axis in AXES}
    figure = blank_figure(colours, size=size, aspect=0.6)
    tables = {axis: _error_table(answers, axis, levels) for axis in AXES}
    for axis, left in zip(AXES, (0.11, 0.525), strict=True):
        axes = figure.add_axes((left, 0.14, 0.37, 0.67))
        shades = _draw_cells(axes, tables[axis], levels, colours)
        axes.set_title("\n".join(_headline(answers, axis)), color=colours.ink, fontsize=11)
        axes.set_xlabel("wanted valence", color=colours.ink, fontsize=11)
        if axis == AXES[0]:
            axes.set_ylabel("wanted arousal", color=colours.ink, fontsize=11)
        else:
            axes.set_yticklabels([])
    bar = figure.colorbar(shades, cax=figure.add_axes((0.915, 0.14, 0.022, 0.67)))
    bar.ax.tick_params(colors=colours.ink, labelsize=10)
    return picture_of(figure)


def sweep_chart(
    answers: Sequence[Answer], axis: str, *, size: int = 640, theme: str = "light"
) -> Tensor:
    """What was read for each wanted value of one axis, on both axes.

    A line joins the mean readings, its band spans one standard deviation over the pictures of a
    value, dashed lines say what was wanted.

    Args: axis: "valence" or "arousal", the one that is swept.
    Returns: [1, H, size, 3] in 0..1, H three quarters of `size`.
    Raises: ConfigError: an unknown axis, no answers, or fewer than two values of it.
    """
    colours = theme_named(theme)
    check_choice("The axis", axis, AXES)
    levels = _levels(answers, axis)
    if len(levels) < 2:
        raise ConfigError(
            f"All targets want the same {axis} ({levels[0]:+g}), so there is nothing to sweep. "
            "Choose the other axis, or give the emotions of a grid."
        )
    figure = blank_figure(colours, size=size, aspect=0.75)
    axes = figure.add_axes((0.12, 0.14, 0.85, 0.7))
    style_axes(axes, colours)
    axes.set(xlim=(levels[0] - 0.2, levels[-1] + 0.2), ylim=(-LIMIT - 0.3, LIMIT + 0.3))
    axes.axhline(0, color=colours.faint, linewidth=0.8)
    _draw_answers(axes, answers, axis, "valence", colours.path, "o")
    _draw_answers(axes, answers, axis, "arousal", colours.target, "s")
    axes.set_xlabel(f"wanted {axis}", color=colours.ink, fontsize=14)
    axes.set_ylabel("read", color=colours.ink, fontsize=14)
    axes.set_title("   ".join(_headline(answers, axis)), color=colours.ink, fontsize=13, pad=28)
    _draw_legend(axes, colours)
    return picture_of(figure)


def _levels(answers: Sequence[Answer], axis: str) -> list[float]:
    levels = sorted({round(answer.pair(axis)[0], 3) for answer in answers})
    if not levels:
        raise ConfigError("There is nothing to draw: no targets and readings arrived.")
    if len(levels) > MOST_LEVELS:
        raise ConfigError(
            f"The targets want {len(levels)} different {axis} values, more than the {MOST_LEVELS} "
            "that a chart can show. Give the emotions of a grid."
        )
    return levels


def _error_table(
    answers: Sequence[Answer], axis: str, levels: dict[str, list[float]]
) -> np.ndarray:
    """Mean absolute gap on `axis` [arousal levels, valence levels], NaN where nothing was asked."""
    cells: dict[tuple[int, int], list[float]] = defaultdict(list)
    for answer in answers:
        target, read = answer.pair(axis)
        row = levels["arousal"].index(round(answer.target.arousal, 3))
        column = levels["valence"].index(round(answer.target.valence, 3))
        cells[row, column].append(abs(target - read))
    table = np.full((len(levels["arousal"]), len(levels["valence"])), np.nan)
    for place, gaps in cells.items():
        table[place] = np.mean(gaps)
    return table


def _draw_cells(
    axes: Axes, table: np.ndarray, levels: dict[str, list[float]], colours: Theme
) -> Any:
    from matplotlib import colormaps

    style_axes(axes, colours)
    shades = colormaps[SHADES].with_extremes(bad=colours.paper)
    image = axes.imshow(table, cmap=shades, vmin=0, vmax=LIMIT, origin="lower", aspect="auto")
    for set_ticks, axis in ((axes.set_xticks, "valence"), (axes.set_yticks, "arousal")):
        set_ticks(
            range(len(levels[axis])), [f"{level:+g}" if level else "0" for level in levels[axis]]
        )
    axes.tick_params(labelsize=10, length=0)
    letters = min(13.0, 60 / max(table.shape))
    for (row, column), error in np.ndenumerate(table):
        if not np.isnan(error):
            ink = "black" if error > 0.55 * LIMIT else "white"  # on cividis, dark is low
            axes.text(
                column,
                row,
                f"{error:.1f}",
                color=ink,
                fontsize=letters,
                ha="center",
                va="center",
            )
    return image


def _headline(answers: Sequence[Answer], axis: str) -> tuple[str, str]:
    found = axis_metrics(*zip(*(answer.pair(axis) for answer in answers), strict=True))
    error = f"{axis[0].upper()}-Error {found.error:.2f}   rank r {found.spearman:.2f}"
    return error, f"always answering 0: {found.constant_error:.2f}"


def _draw_answers(
    axes: Axes, answers: Sequence[Answer], swept: str, shown: str, colour: str, marker: str
) -> None:
    by_level: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for answer in answers:
        by_level[answer.pair(swept)[0]].append(answer.pair(shown))
    levels = sorted(by_level)
    pairs = [np.array(by_level[level]) for level in levels]  # each [N, 2]: wanted, read
    wanted, means = (np.array([pair[:, side].mean() for pair in pairs]) for side in (0, 1))
    spreads = np.array([pair[:, 1].std() for pair in pairs])
    axes.fill_between(levels, means - spreads, means + spreads, color=colour, alpha=0.18)
    axes.plot(levels, wanted, "--", color=colour, linewidth=1.4, label=f"{shown} wanted")
    axes.plot(levels, means, f"-{marker}", color=colour, linewidth=2.2, markersize=8, label=shown)


def _draw_legend(axes: Axes, colours: Theme) -> None:
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 0.98),
        ncols=4,
        frameon=False,
        labelcolor=colours.ink,
        fontsize=11,
        handlelength=1.6,
        columnspacing=1.2,
    )
