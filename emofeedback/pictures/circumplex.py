"""The circumplex as a picture: labelled words, the target, readings with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..plane.words import RUSSELL_ANGLES, preset_emotion
from ..records.emotion import LIMIT, NEUTRAL_RADIUS, Emotion
from ..records.reading import Outcome, Reading, measured
from ..records.state import LoopState, RoundRecord
from .theme import Theme, blank_figure, canvas_of, picture_of, style_axes, theme_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Words nearer than this (valence, arousal) would print over each other.
CROWDED = (0.8, 0.25)
# Beyond so many rounds, numbers nearer than this to another one are left out.
MANY_ROUNDS, NUMBER_ROOM = 12, 0.45
LABEL_PLACES = (
    (0, -22), (0, 14), (44, -5), (-44, -5), (44, -26), (-44, -26), (0, 30),
    *((reach * math.cos(turn * math.pi / 4), reach * math.sin(turn * math.pi / 4))
      for reach in (60, 85, 110) for turn in range(8)),
)  # fmt: skip
"""Of the target's name, in points from its star; the first that leaves all numbers readable."""


@dataclass(frozen=True, slots=True)
class ChartRound:
    """What a chart shows of a round: its readings, which of them is best, its number and aim."""

    readings: tuple[Reading, ...]
    best: int | None
    number: int = 1
    aim: Emotion | None = None


def trajectory_chart(state: LoopState, *, size: int = 640, theme: str = "light") -> Tensor:
    """The path of a loop over the plane, [1, size, size, 3] in 0..1."""
    rounds = [_chart_round(record) for record in state.rounds]
    return circumplex_chart(rounds, state.target, size=size, theme=theme)


def _chart_round(record: RoundRecord) -> ChartRound:
    """The candidates that were read."""
    best = sum(record.was_read[: record.best])
    return ChartRound(tuple(measured(record.readings)), best, record.number, record.aim)


def readings_chart(
    readings: Sequence[Outcome], target: Emotion | None, *, size: int = 640, theme: str = "light"
) -> Tensor:
    """Loose readings on the plane, [1, size, size, 3] in 0..1."""
    rounds = [ChartRound(tuple(measured(readings)), None)]
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
    colours = theme_named(theme)
    figure = blank_figure(colours, size=size)
    axes = figure.add_axes((0.13, 0.12, 0.85, 0.85))
    _draw_plane(axes, colours)
    numbered = _numbered(rounds)
    for shown in rounds:
        _draw_round(axes, shown, colours, numbered=shown in numbered)
    _draw_path(axes, rounds, colours)
    _draw_aims(axes, rounds, colours)
    if target is not None:
        _draw_target(figure, axes, target, colours)
    return picture_of(figure)


def _draw_plane(axes: Axes, colours: Theme) -> None:
    from matplotlib.patches import Circle

    axes.set(xlim=(-LIMIT - 0.2, LIMIT + 0.2), ylim=(-LIMIT - 0.2, LIMIT + 0.2), aspect="equal")
    style_axes(axes, colours)
    axes.axhline(0, color=colours.faint, linewidth=0.8)
    axes.axvline(0, color=colours.faint, linewidth=0.8)
    for radius in (NEUTRAL_RADIUS, LIMIT):
        axes.add_patch(Circle((0, 0), radius, fill=False, color=colours.faint, linewidth=0.8))
    for word in RUSSELL_ANGLES:
        emotion = preset_emotion(word)
        side, lift = _label_place(emotion)
        axes.plot(emotion.valence, emotion.arousal, ".", color=colours.faint, markersize=3)
        axes.annotate(
            word,
            (emotion.valence, emotion.arousal),
            xytext=(0, lift),
            textcoords="offset points",
            color=colours.ink,
            alpha=0.65,
            fontsize=10.5,
            ha=side,
        )
    axes.set_xlabel("valence: unpleasant to pleasant", color=colours.ink, fontsize=14)
    axes.set_ylabel("arousal: calm to activated", color=colours.ink, fontsize=14)


def _label_place(emotion: Emotion) -> tuple[str, float]:
    """Alignment and lift in points that keep the labels of close words apart.

    A label grows away from its neighbour; between two of them it moves away from the centre.
    """
    others = (preset_emotion(word) for word in RUSSELL_ANGLES)
    steps = (other.gap_from(emotion) for other in others)
    close = [s for s in steps if abs(s.arousal) < CROWDED[1] and 0 < abs(s.valence) < CROWDED[0]]
    right, left = (any(sign * step.valence > 0 for step in close) for sign in (1, -1))
    if right and left:
        return "center", 16.0 if emotion.arousal > 0 else -15.0
    return "right" if right else "left" if left else "center", 3.0


def _numbered(rounds: Sequence[ChartRound]) -> list[ChartRound]:
    """The rounds whose numbers have room, the last and the first before the others."""
    if len(rounds) <= MANY_ROUNDS:
        return list(rounds)
    found: list[ChartRound] = []
    for shown in (rounds[-1], *rounds[:-1]):
        steps = [_best_of(shown).gap_from(_best_of(other)) for other in found]
        if all(max(abs(step.valence), abs(step.arousal)) > NUMBER_ROOM for step in steps):
            found.append(shown)
    return found


def _best_of(shown: ChartRound) -> Emotion:
    return shown.readings[shown.best or 0].emotion


def _draw_round(axes: Axes, shown: ChartRound, colours: Theme, *, numbered: bool) -> None:
    for index, reading in enumerate(shown.readings):
        point = (reading.emotion.valence, reading.emotion.arousal)
        is_best = index == shown.best
        axes.plot(
            *point,
            "o",
            color=colours.path if is_best else colours.candidate,
            markersize=10 if is_best else 6,
            alpha=1.0 if is_best else 0.6,
            markeredgecolor=colours.paper,
            zorder=4 if is_best else 3,
        )
        if is_best or shown.best is None:
            axes.add_patch(_uncertainty_ellipse(reading, colours))
        if is_best and numbered:
            axes.annotate(
                str(shown.number),
                point,
                xytext=(6, 6),
                textcoords="offset points",
                color=colours.path,
                fontsize=16,
                fontweight="bold",
                zorder=8,
            )


def _draw_aims(axes: Axes, rounds: Sequence[ChartRound], colours: Theme) -> None:
    """Where the loop steers it: what the body was handed, from round to round."""
    aims = [shown.aim for shown in rounds if shown.aim is not None]
    axes.plot(
        [aim.valence for aim in aims],
        [aim.arousal for aim in aims],
        "D:",
        color=colours.target,
        markersize=9,
        markerfacecolor="none",
        linewidth=1.2,
        zorder=6,
        clip_on=False,
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


def _draw_target(figure: Figure, axes: Axes, target: Emotion, colours: Theme) -> None:
    axes.plot(
        target.valence,
        target.arousal,
        "*",
        color=colours.target,
        markersize=22,
        markeredgecolor=colours.paper,
        zorder=7,
        clip_on=False,
    )
    renderer = canvas_of(figure).get_renderer()
    numbers = [t.get_window_extent(renderer) for t in axes.texts if t.get_text().isdigit()]
    label = axes.annotate(
        "target",
        (target.valence, target.arousal),
        xytext=LABEL_PLACES[0],
        textcoords="offset points",
        color=colours.target,
        fontsize=14,
        fontweight="bold",
        ha="center",
        zorder=7,
    )
    for place in LABEL_PLACES:
        label.xyann = place
        box, whole = label.get_window_extent(renderer), figure.bbox
        inside = whole.x0 <= box.x0 and box.x1 <= whole.x1
        inside = inside and whole.y0 <= box.y0 and box.y1 <= whole.y1
        if inside and not any(box.overlaps(number) for number in numbers):
            return
    label.remove()  # the star says it, too
