"""Readings as plain numbers, and pictures sorted into two by them: to go on with in any graph."""

from __future__ import annotations

from collections.abc import Sequence

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

from ..emofeedback.reading.values import (
    CHOICES,
    MEAN,
    VALUES,
    chosen_readings,
    file_words,
    numbers_of,
    split_by,
    value_of,
)
from ..emofeedback.records.emotion import Emotion
from ..emofeedback.records.reading import Outcome, Reading
from .widgets.names import EMOTION_NUMBERS, FILTER_BY_EMOTION, SCORE_EMOTION, SCORE_ROUND
from .widgets.read_pictures import read_pictures
from .widgets.sockets import SCORE_CATEGORY, EmotionSocket, ReadingsSocket

AS_THEY_CAME, SMALLEST, LARGEST = ORDERS = ("as they came", "smallest first", "largest first")
AT_MOST, AT_LEAST = SIDES = ("at most", "at least")


def _target_input(use: str) -> io.Input:
    return EmotionSocket.Input("target", optional=True, tooltip=f"The wanted emotion; {use}.")


class EmotionNumbers(io.ComfyNode):
    """Readings as FLOATs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionNumbers",
            display_name=EMOTION_NUMBERS,
            category=SCORE_CATEGORY,
            description="Takes readings apart into numbers and words for file names, of the best, "
            "the worst, all together or each picture.",
            search_aliases=["float", "valence arousal", "readings to numbers", "file name"],
            inputs=[
                ReadingsSocket.Input(
                    "readings", tooltip=f"From {SCORE_EMOTION}, {SCORE_ROUND} or a finished loop."
                ),
                io.Combo.Input(
                    "of",
                    options=list(CHOICES),
                    default=CHOICES[0],
                    tooltip="'best' and 'worst' are nearest to and farthest from the target; "
                    "'mean' is of all readings; 'each' gives lists with one value a picture.",
                ),
                _target_input("needed for the gap, 'best' and 'worst'"),
            ],
            outputs=[
                io.Float.Output(
                    display_name="valence", is_output_list=True, tooltip="-3 unpleasant to 3."
                ),
                io.Float.Output(
                    display_name="arousal", is_output_list=True, tooltip="-3 calm to 3."
                ),
                io.Float.Output(
                    display_name="gap",
                    is_output_list=True,
                    tooltip="Distance to the target in scale points; nothing without a target.",
                ),
                io.Float.Output(
                    display_name="uncertainty",
                    is_output_list=True,
                    tooltip="Standard deviation in scale points, the mean of both axes.",
                ),
                io.Float.Output(
                    display_name="content",
                    is_output_list=True,
                    tooltip="0 to 1, how far the prompt is still shown; nothing where unknown.",
                ),
                io.String.Output(
                    display_name="words",
                    is_output_list=True,
                    tooltip='For file names: "calm_v+1.2_a-0.8".',
                ),
            ],
        )

    @classmethod
    def execute(
        cls, readings: tuple[Outcome, ...], of: str, target: Emotion | None = None
    ) -> io.NodeOutput:
        columns = [numbers_of(readings, name, of, target) for name in VALUES]
        numbers = [
            [ExecutionBlocker(None) if value is None else value for value in column]
            for column in columns
        ]
        if of == MEAN:
            valence, arousal = (column[0] for column in columns[:2])
            if valence is None or arousal is None:
                return io.NodeOutput(*numbers, [ExecutionBlocker(None)])
            return io.NodeOutput(*numbers, [file_words(Emotion(valence, arousal))])
        words = [
            file_words(each.emotion) if isinstance(each, Reading) else ExecutionBlocker(None)
            for each in chosen_readings(readings, of, target)
        ]
        return io.NodeOutput(*numbers, words)


class FilterByEmotion(io.ComfyNode):
    """Pictures in two heaps."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_FilterByEmotion",
            display_name=FILTER_BY_EMOTION,
            category=SCORE_CATEGORY,
            description="Sorts pictures into those whose reading passes a threshold and the "
            "others. What hangs on an empty side does not run.",
            search_aliases=["threshold", "branch", "if", "sort images", "split batch", "route"],
            inputs=[
                io.Image.Input("images", tooltip="The pictures that were read."),
                ReadingsSocket.Input("readings", tooltip=f"Their readings, from {SCORE_EMOTION}."),
                io.Combo.Input(
                    "by",
                    options=list(VALUES),
                    default="gap",
                    tooltip="What is compared. The gap is the distance to the target; a picture "
                    "of unknown content does not pass.",
                ),
                io.Combo.Input(
                    "passes",
                    options=list(SIDES),
                    default=AT_MOST,
                    tooltip="Which side of the threshold passes; the threshold itself does.",
                ),
                io.Float.Input(
                    "threshold",
                    default=1.0,
                    min=-3.0,
                    max=9.0,
                    step=0.05,
                    round=0.01,
                    tooltip="In scale points; for content from 0 to 1.",
                ),
                io.Combo.Input(
                    "order",
                    options=list(ORDERS),
                    default=AS_THEY_CAME,
                    tooltip="The order of the pictures on each side, by the same value.",
                ),
                _target_input("needed to compare by gap"),
            ],
            outputs=[
                io.Image.Output(display_name="passing", tooltip="The pictures that pass."),
                ReadingsSocket.Output(display_name="passing_readings", tooltip="Their readings."),
                io.Image.Output(display_name="others", tooltip="The pictures that do not."),
                ReadingsSocket.Output(display_name="others_readings", tooltip="Their readings."),
                io.Int.Output(display_name="count", tooltip="How many pass; 0 runs on, too."),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: Tensor,
        readings: tuple[Outcome, ...],
        by: str,
        passes: str,
        threshold: float,
        order: str,
        target: Emotion | None = None,
    ) -> io.NodeOutput:
        images = read_pictures(images, readings)
        at_most = passes == AT_MOST
        sides = split_by(readings, by, threshold, at_most=at_most, target=target)
        values = [value_of(reading, by, target) for reading in readings]

        def side(indices: Sequence[int]) -> tuple[object, object]:
            if not indices:
                return ExecutionBlocker(None), ExecutionBlocker(None)
            known = {i: value for i in indices if (value := values[i]) is not None}
            ordered = list(known)
            if order != AS_THEY_CAME:
                ordered.sort(key=lambda index: known[index], reverse=order == LARGEST)
            ordered += [index for index in indices if index not in known]
            return images[ordered], tuple(readings[index] for index in ordered)

        return io.NodeOutput(*side(sides[0]), *side(sides[1]), len(sides[0]))
