"""Charts of many targets at once, behind an Emotion Grid."""

from __future__ import annotations

from comfy_api.latest import io

from ..emofeedback.pictures.grid import AXES, answers_to, error_map_chart, sweep_chart
from ..emofeedback.records.emotion import Emotion
from ..emofeedback.records.reading import Outcome
from .widgets.chart import size_input, theme_input, theme_of
from .widgets.names import EMOTION_ERROR_MAP, EMOTION_GRID, EMOTION_SWEEP, SCORE_EMOTION
from .widgets.sockets import RESEARCH_CATEGORY, EmotionSocket, ReadingsSocket


def _answer_inputs() -> list[io.Input]:
    """What was wanted and what was read, as lists of equal order."""
    return [
        EmotionSocket.Input(
            "targets", tooltip=f"The emotions that were asked for, from {EMOTION_GRID}."
        ),
        ReadingsSocket.Input(
            "readings",
            tooltip=f"What {SCORE_EMOTION} read from the pictures made for them, in the same "
            "order.",
        ),
    ]


class EmotionErrorMap(io.ComfyNode):
    """How far off each region of the plane is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionErrorMap",
            display_name=EMOTION_ERROR_MAP,
            category=RESEARCH_CATEGORY,
            description="A heat map of the valence and the arousal error over a grid of wanted "
            "emotions, with V-Error, A-Error and what always answering 0 would get.",
            search_aliases=["heat map", "heatmap", "v-error", "a-error", "evaluate grid"],
            inputs=[*_answer_inputs(), theme_input(), size_input(960)],
            outputs=[io.Image.Output(display_name="chart", tooltip="The map as one picture.")],
            is_input_list=True,
        )

    @classmethod
    def execute(
        cls,
        targets: list[Emotion],
        readings: list[tuple[Outcome, ...]],
        theme: list[str],
        size: list[int],
    ) -> io.NodeOutput:
        answers = answers_to(targets, readings)
        return io.NodeOutput(error_map_chart(answers, size=size[0], theme=theme_of(theme[0])))


class EmotionSweep(io.ComfyNode):
    """What comes out when one axis is turned up."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionSweep",
            display_name=EMOTION_SWEEP,
            category=RESEARCH_CATEGORY,
            description="Plots what was read against what was wanted along one axis, for both "
            "axes: whether more wanted valence brings more, and whether arousal stays where it "
            "was.",
            search_aliases=["sweep plot", "dose response", "line chart", "calibration plot"],
            inputs=[
                *_answer_inputs(),
                io.Combo.Input(
                    "axis",
                    options=list(AXES),
                    default=AXES[0],
                    tooltip="The axis along the bottom; pictures that want the same value of it "
                    "are averaged.",
                ),
                theme_input(),
                size_input(640),
            ],
            outputs=[io.Image.Output(display_name="chart", tooltip="The plot as one picture.")],
            is_input_list=True,
        )

    @classmethod
    def execute(
        cls,
        targets: list[Emotion],
        readings: list[tuple[Outcome, ...]],
        axis: list[str],
        theme: list[str],
        size: list[int],
    ) -> io.NodeOutput:
        answers = answers_to(targets, readings)
        return io.NodeOutput(sweep_chart(answers, axis[0], size=size[0], theme=theme_of(theme[0])))
