"""What the scorer saw, shown on the picture."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..emofeedback.pictures.cue_overlay import cue_pictures
from ..emofeedback.records.reading import Outcome
from .widgets.chart import size_input, theme_input, theme_of
from .widgets.names import CUES_ON_PICTURE, SCORE_EMOTION, SCORE_ROUND
from .widgets.sockets import SCORE_CATEGORY, ReadingsSocket


class CuesOnPicture(io.ComfyNode):
    """Numbered frames where a scorer saw causes of emotion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_CuesOnPicture",
            display_name=CUES_ON_PICTURE,
            category=SCORE_CATEGORY,
            description="Frames what causes the emotion where the scorer says that it is, and "
            "lists all causes below. Needs readings made with 'explain'.",
            search_aliases=["overlay", "bounding box", "explain", "annotate", "why"],
            inputs=[
                io.Image.Input("images", tooltip="The pictures that were read."),
                ReadingsSocket.Input(
                    "readings",
                    tooltip=f"Their readings, from {SCORE_EMOTION} or {SCORE_ROUND} with "
                    "'explain' on.",
                ),
                theme_input(),
                size_input(768),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The pictures with their cues.")
            ],
        )

    @classmethod
    def execute(
        cls, images: Tensor, readings: tuple[Outcome, ...], theme: str, size: int
    ) -> io.NodeOutput:
        return io.NodeOutput(cue_pictures(images, readings, size=size, theme=theme_of(theme)))
