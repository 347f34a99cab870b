"""Emotions along a path over the plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfy_api.latest import io

from ..emofeedback.errors import ConfigError
from ..emofeedback.plane.paths import (
    CIRCLE,
    LINE,
    MOST_POINTS,
    SHAPES,
    SPLINE,
    check_cost,
    circle_path,
    line_path,
    read_stations,
    spline_path,
)
from ..emofeedback.records.emotion import LIMIT, Emotion
from .comfy.bridge import show_text
from .widgets.names import BATCH_CONDITIONINGS, EMOTION_OF_TEXT, EMOTION_PATH, EMOTION_TARGET
from .widgets.sockets import AXIS_STEP, CATEGORY, EmotionSocket


class EmotionPath(io.ComfyNode):
    """Emotions along a way over the plane, one picture each."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionPath",
            display_name=EMOTION_PATH,
            category=CATEGORY,
            description="Emotions in equal steps along a line, a smooth curve or a circle, as a "
            f"list: the nodes behind it run once for each. {BATCH_CONDITIONINGS} makes one sampler "
            "run of them.",
            search_aliases=["emotion travel", "sweep", "interpolate", "animation", "transition"],
            inputs=[
                io.DynamicCombo.Input(
                    "shape",
                    options=[
                        io.DynamicCombo.Option(shape, inputs())
                        for shape, inputs in SHAPE_INPUTS.items()
                    ],
                    tooltip="'spline' is a smooth curve through every station, 'line' goes "
                    "straight from one to the next, 'circle' once round neutral.",
                ),
                io.Int.Input(
                    "points",
                    default=9,
                    min=2,
                    max=MOST_POINTS,
                    tooltip="Emotions along the path. Each is one picture, at the full price of "
                    "one.",
                ),
                io.Int.Input(
                    "limit",
                    default=100,
                    min=2,
                    max=MOST_POINTS,
                    advanced=True,
                    tooltip="A path with more points is refused before anything runs, so that a "
                    "slip of the keyboard does not start a day's work.",
                ),
            ],
            outputs=[
                EmotionSocket.Output(
                    display_name="emotions",
                    is_output_list=True,
                    tooltip="The list; with one seed in the sampler only the emotion differs.",
                ),
                io.String.Output(
                    display_name="texts", is_output_list=True, tooltip="The same in words."
                ),
                io.Int.Output(
                    display_name="count",
                    tooltip="How many: Rebatch Images with this batch size makes one animation of "
                    "the pictures.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, **inputs: Any) -> bool | str:
        """Takes the place of ComfyUI's own checks, which cannot say what a path costs."""
        points, limit, shape = (inputs.get(name) for name in ("points", "limit", "shape"))
        try:
            if points is not None and limit is not None:  # None: linked, known when it runs
                check_cost(points, limit)
            if isinstance(shape, dict) and _is_whole(shape):
                _check_shape(shape)
        except ConfigError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, points: int, limit: int, shape: dict[str, Any] | None = None) -> io.NodeOutput:
        check_cost(points, limit)
        path = _make_path(shape, points)
        show_text(f"{len(path)} emotions, one picture each: {path[0]} to {path[-1]}")
        return io.NodeOutput(path, [str(emotion) for emotion in path], len(path))


def _make_path(shape: dict[str, Any] | None, points: int) -> list[Emotion]:
    """The path that the shape's widgets describe.

    Raises: ConfigError: an unknown shape, or widgets that describe no path.
    """
    if shape is None:  # what core passes for a shape that it does not know
        raise ConfigError(f"The shape of the path is unknown. Known: {', '.join(SHAPES)}.")
    if shape["shape"] == CIRCLE:
        return circle_path(
            shape["radius"],
            points,
            start_degrees=shape["start_degrees"],
            clockwise=shape["clockwise"],
        )
    start = shape.get("start")
    before = [] if start is None else [start]
    stations = [*before, *read_stations(shape["stations"], least=2 - len(before))]
    if shape["shape"] == SPLINE:
        return spline_path(stations, points, closed=shape["closed"])
    return line_path(stations, points)


def _check_shape(shape: dict[str, Any]) -> None:
    """Raises: ConfigError: widgets that describe no path, whatever is linked."""
    if shape["shape"] == CIRCLE:
        _make_path(shape, 2)
    else:
        read_stations(shape["stations"], least=1)


def _is_whole(shape: dict[str, Any]) -> bool:
    """Whether every widget has its value already; one that is linked gets it when the node runs."""
    valued = {name for name, value in shape.items() if value is not None}
    needed = {item.id for item in SHAPE_INPUTS[shape["shape"]]() if not item.optional}
    return needed <= valued


def _line_inputs() -> list[io.Input]:
    stations = io.String.Input(
        "stations",
        default="sad, calm, happy, excited",
        multiline=True,
        tooltip=f"Where the path leads, with commas between: words of {EMOTION_TARGET}'s presets, "
        "or valence and arousal as two numbers ('1.5 -2').",
    )
    start = EmotionSocket.Input(
        "start",
        optional=True,
        tooltip="A station before the others, for example the prompt's own mood from "
        f"{EMOTION_OF_TEXT}.",
    )
    return [stations, start]


def _spline_inputs() -> list[io.Input]:
    closed = io.Boolean.Input(
        "closed",
        default=False,
        tooltip="Goes on from the last station to the first, for an animation that runs round.",
    )
    return [*_line_inputs(), closed]


def _circle_inputs() -> list[io.Input]:
    return [
        io.Float.Input(
            "radius",
            default=2.2,
            min=0.1,
            max=LIMIT,
            step=AXIS_STEP,
            round=AXIS_STEP,
            tooltip="How strong the emotions are: the distance from neutral.",
        ),
        io.Float.Input(
            "start_degrees",
            default=0.0,
            min=-360.0,
            max=360.0,
            step=1.0,
            round=0.1,
            tooltip="Where the circle begins: 0 pleasure, 90 arousal, 180 displeasure, 270 sleep.",
        ),
        io.Boolean.Input(
            "clockwise",
            default=False,
            tooltip="Off: from pleasure by arousal to displeasure, as angles are counted.",
        ),
    ]


SHAPE_INPUTS: dict[str, Callable[[], list[io.Input]]] = {
    SPLINE: _spline_inputs,
    LINE: _line_inputs,
    CIRCLE: _circle_inputs,
}
