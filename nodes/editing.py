"""A picture of the artist's that a loop edits, in the place of one that it draws."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..emofeedback.reading.base import Scorer
from ..emofeedback.reading.editing import EditScorer
from .widgets.names import REFINE_ROUND, SCORE_EDITS, SCORE_ROUND, START_LOOP
from .widgets.sockets import SCORE_CATEGORY, ScorerSocket, scorer_input


class ScoreEdits(io.ComfyNode):
    """A scorer that compares edits with their original, and writes instructions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_ScoreEdits",
            display_name=SCORE_EDITS,
            category=SCORE_CATEGORY,
            description="A scorer for loops that edit a picture of yours. It reads as the scorer "
            "does, says as content what share of your picture an edit keeps, and writes "
            "instructions to an editing model in the place of prompts.",
            search_aliases=["edit", "kontext", "qwen image edit", "instruction", "image to image"],
            inputs=[
                scorer_input("Reads the pictures; its language model writes the instructions. "
                             "Where it has none, the rules write them."),
                io.Image.Input("image", tooltip="The picture that every round edits."),
            ],
            outputs=[
                ScorerSocket.Output(
                    display_name="scorer",
                    tooltip=f"For {START_LOOP}, {SCORE_ROUND} and {REFINE_ROUND}.",
                )
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, scorer: Scorer, image: Tensor) -> io.NodeOutput:
        return io.NodeOutput(EditScorer(scorer, image))
