"""The circumplex as a picture."""

from __future__ import annotations

from comfy_api.latest import io

from ..emofeedback.errors import ConfigError
from ..emofeedback.pictures.circumplex import readings_chart, trajectory_chart
from ..emofeedback.records.emotion import Emotion
from ..emofeedback.records.reading import Outcome
from ..emofeedback.records.state import LoopState
from .widgets.chart import size_input, theme_input, theme_of
from .widgets.names import EMOTION_CHART, END_LOOP, SCORE_EMOTION
from .widgets.sockets import CATEGORY, EmotionSocket, ReadingsSocket, StateSocket


class EmotionChart(io.ComfyNode):
    """Readings, or the path of a loop, on the valence-arousal plane."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EmotionChart",
            display_name=EMOTION_CHART,
            category=CATEGORY,
            description="Draws readings, or the path of a whole loop, on the valence-arousal "
            "plane, with the target and the uncertainty of each reading.",
            search_aliases=["circumplex", "plot emotion", "trajectory", "valence arousal plot"],
            inputs=[
                StateSocket.Input(
                    "state",
                    optional=True,
                    tooltip=f"A loop from {END_LOOP}: its path is drawn, round by round.",
                ),
                ReadingsSocket.Input(
                    "readings",
                    optional=True,
                    tooltip=f"Loose readings from {SCORE_EMOTION}; used when no state is "
                    "connected.",
                ),
                EmotionSocket.Input(
                    "target",
                    optional=True,
                    tooltip="Drawn as a star; a loop brings its own target.",
                ),
                size_input(640, "Side"),
                theme_input(),
            ],
            outputs=[io.Image.Output(display_name="chart", tooltip="The chart as one picture.")],
        )

    @classmethod
    def execute(
        cls,
        size: int,
        theme: str,
        state: LoopState | None = None,
        readings: tuple[Outcome, ...] | None = None,
        target: Emotion | None = None,
    ) -> io.NodeOutput:
        if state is not None:
            return io.NodeOutput(trajectory_chart(state, size=size, theme=theme_of(theme)))
        if not readings:
            raise ConfigError(
                f"The chart has nothing to draw. Connect a state from {END_LOOP}, or readings from "
                f"{SCORE_EMOTION}."
            )
        return io.NodeOutput(readings_chart(readings, target, size=size, theme=theme_of(theme)))
