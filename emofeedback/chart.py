"""The circumplex as a picture: labelled words, the target, readings with their uncertainty."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .emotion import LIMIT, NEUTRAL_RADIUS, Emotion
from .images import from_png
from .presets import RUSSELL_ANGLES, preset_emotion
from .scoring import Reading
from .state import LoopState

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 100
CROWDED = 0.3


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a chart; the accents are from Okabe and Ito's colour-blind-safe set."""

    paper: str
    ink: str
    faint: str
    target: str = "#D55E00"
    path: str = "#0072B2"
    candidate: str = "#56B4E9"


THEMES = {
    "light": Theme(paper="#fbfaf7", ink="#22262b", faint="#b9bcc0"),
    "dark": Theme(paper="#1d2025", ink="#eceef0", faint="#5a6068", path="#56B4E9"),
}


@dataclass(frozen=True, slots=True)
class ChartRound:
    """What a chart shows of a round: its readings and which of them is best."""

    readings: tuple[Reading, ...]
    best: int | None


def trajectory_chart(state: LoopState, *, size: int = 640, theme: str = "light") -> Tensor:
    """The path of a loop over the plane, [1, size, size, 3] in 0..1."""
    rounds = [ChartRound(record.readings, record.best) for record in state.rounds]
    return circumplex_chart(rounds, state.target, size=size, theme=theme)


def readings_chart(
    readings: Sequence[Reading], target: Emotion | None, *, size: int = 640, theme: str = "light"
) -> Tensor:
    """Loose readings on the plane, [1, size, size, 3] in 0..1."""
    rounds = [ChartRound(tuple(readings), None)]
    return circumplex_chart(rounds, target, size=size, theme=theme)


def circumplex_chart(
    rounds: Sequence[ChartRound], target: Emotion | None, *, size: int, theme: str
) -> Tensor:
    """Draws rounds of readings, the path of their best, and the target.

    Ellipses span one standard deviation of a best reading on each axis.

    Args:
        size: side in pixels.
        theme: "light" or "dark".
    Returns: [1, size, size, 3] float32 in 0..1.
    """
    # pyplot keeps global state and is not safe in a server's worker thread
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colours = THEMES[theme]
    inches = size / DOTS_PER_INCH
    figure = Figure(figsize=(inches, inches), dpi=DOTS_PER_INCH, facecolor=colours.paper)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.11, 0.1, 0.86, 0.86))
    _draw_plane(axes, colours)
    for number, shown in enumerate(rounds, 1):
        _draw_round(axes, shown, number, colours)
    _draw_path(axes, rounds, colours)
    if target is not None:
        _draw_target(axes, target, colours)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor=colours.paper)
    return from_png(stream.getvalue()).unsqueeze(0)


def _draw_plane(axes: Axes, colours: Theme) -> None:
    from matplotlib.patches import Circle

    axes.set(xlim=(-LIMIT - 0.2, LIMIT + 0.2), ylim=(-LIMIT - 0.2, LIMIT + 0.2), aspect="equal")
    axes.set_facecolor(colours.paper)
    axes.axhline(0, color=colours.faint, linewidth=0.8)
    axes.axvline(0, color=colours.faint, linewidth=0.8)
    for radius in (NEUTRAL_RADIUS, LIMIT):
        axes.add_patch(Circle((0, 0), radius, fill=False, color=colours.faint, linewidth=0.8))
    for word in RUSSELL_ANGLES:
        emotion = preset_emotion(word)
        axes.plot(emotion.valence, emotion.arousal, ".", color=colours.faint, markersize=3)
        axes.annotate(
            word,
            (emotion.valence, emotion.arousal),
            xytext=(0, 3),
            textcoords="offset points",
            color=colours.ink,
            alpha=0.55,
            fontsize=8,
            ha=_label_side(emotion),
        )
    axes.set_xlabel("valence: unpleasant to pleasant", color=colours.ink, fontsize=9)
    axes.set_ylabel("arousal: calm to activated", color=colours.ink, fontsize=9)
    axes.tick_params(colors=colours.ink, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(colours.faint)


def _label_side(emotion: Emotion) -> str:
    """Keeps the labels of close words apart: each grows away from its neighbour."""
    for word in RUSSELL_ANGLES:
        other = preset_emotion(word)
        if 0 < other.gap_from(emotion).size < CROWDED:
            return "right" if other.valence > emotion.valence else "left"
    return "center"


def _draw_round(axes: Axes, shown: ChartRound, number: int, colours: Theme) -> None:
    for index, reading in enumerate(shown.readings):
        point = (reading.emotion.valence, reading.emotion.arousal)
        is_best = index == shown.best
        axes.plot(
            *point,
            "o",
            color=colours.path if is_best else colours.candidate,
            markersize=8 if is_best else 5,
            alpha=1.0 if is_best else 0.6,
            markeredgecolor=colours.paper,
            zorder=4 if is_best else 3,
        )
        if is_best or shown.best is None:
            axes.add_patch(_uncertainty_ellipse(reading, colours))
        if is_best:
            axes.annotate(
                str(number),
                point,
                xytext=(6, 6),
                textcoords="offset points",
                color=colours.path,
                fontsize=11,
                fontweight="bold",
                zorder=6,
            )


def _uncertainty_ellipse(reading: Reading, colours: Theme) -> Any:
    from matplotlib.patches import Ellipse

    return Ellipse(
        (reading.emotion.valence, reading.emotion.arousal),
        width=2 * reading.uncertainty[0],
        height=2 * reading.uncertainty[1],
        color=colours.path,
        alpha=0.12,
        zorder=2,
    )


def _draw_path(axes: Axes, rounds: Sequence[ChartRound], colours: Theme) -> None:
    bests = [shown.readings[shown.best].emotion for shown in rounds if shown.best is not None]
    for start, end in pairwise(bests):
        axes.annotate(
            "",
            (end.valence, end.arousal),
            (start.valence, start.arousal),
            arrowprops={"arrowstyle": "->", "color": colours.path, "linewidth": 1.6},
            zorder=5,
        )


def _draw_target(axes: Axes, target: Emotion, colours: Theme) -> None:
    axes.plot(
        target.valence,
        target.arousal,
        "*",
        color=colours.target,
        markersize=18,
        markeredgecolor=colours.paper,
        zorder=7,
        clip_on=False,
    )
    axes.annotate(
        "target",
        (target.valence, target.arousal),
        xytext=(0, -16),
        textcoords="offset points",
        color=colours.target,
        fontsize=10,
        fontweight="bold",
        ha="center",
        zorder=7,
    )
