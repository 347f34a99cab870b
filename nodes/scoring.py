"""Reading and choosing pictures by emotion, without a loop."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..emofeedback.errors import ScorerAnswerError
from ..emofeedback.images import check_images
from ..emofeedback.loop.ranking import rank_readings
from ..emofeedback.reading.base import Scorer
from ..emofeedback.reading.outcomes import read_each
from ..emofeedback.records.emotion import Emotion
from ..emofeedback.records.reading import Outcome, Unread
from .comfy.bridge import show_text, stop_if_interrupted
from .comfy.reuse import FAILURES
from .comfy.words import readings_in_words
from .widgets.names import SCORE_EMOTION, SELECT_BY_EMOTION
from .widgets.read_pictures import read_pictures
from .widgets.sockets import (
    SCORE_CATEGORY,
    ReadingsSocket,
    prompt_input,
    scorer_input,
    target_input,
)


class ScoreEmotion(io.ComfyNode):
    """What viewers would feel, one reading a picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_ScoreEmotion",
            display_name=SCORE_EMOTION,
            category=SCORE_CATEGORY,
            description="Reads the valence and arousal that a viewer would feel from each picture.",
            search_aliases=["emotion score", "read emotion", "valence", "arousal", "sentiment"],
            inputs=[
                io.Image.Input("images", tooltip="The pictures to read, one reading each."),
                scorer_input("The model that reads the pictures."),
                prompt_input(
                    "What the pictures should show. With it, each reading also says how "
                    "far the picture still shows that."
                ),
                io.Boolean.Input(
                    "explain",
                    default=False,
                    tooltip="Also name the visible causes and a reason for every picture; slower.",
                ),
            ],
            outputs=[
                ReadingsSocket.Output(
                    display_name="readings", tooltip="One reading a picture, or why there is none."
                ),
                io.String.Output(display_name="text", tooltip="The readings in words."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        """Readings that failed are asked for again."""
        return FAILURES.count

    @classmethod
    def execute(
        cls, images: Tensor, scorer: Scorer, prompt: str = "", explain: bool = False
    ) -> io.NodeOutput:
        images = check_images(images)
        stop_if_interrupted()
        read = scorer.explain if explain else scorer.score
        readings = read_each(lambda part: read(part, prompt=prompt.strip() or None), images)
        unread = [outcome for outcome in readings if isinstance(outcome, Unread)]
        FAILURES.count += bool(unread)
        if len(unread) == len(readings):
            raise ScorerAnswerError(unread[0].why)
        text = readings_in_words(readings)
        show_text(text)
        return io.NodeOutput(tuple(readings), text)


class SelectByEmotion(io.ComfyNode):
    """The pictures nearest to an emotion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_SelectByEmotion",
            display_name=SELECT_BY_EMOTION,
            category=SCORE_CATEGORY,
            description="Ranks pictures by how near their reading is to the target and keeps the "
            "nearest.",
            search_aliases=["best of", "rank images", "pick by emotion", "top k"],
            inputs=[
                io.Image.Input("images", tooltip="The pictures that were read."),
                ReadingsSocket.Input("readings", tooltip=f"Their readings, from {SCORE_EMOTION}."),
                target_input(),
                io.Int.Input(
                    "count",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="How many pictures to keep, nearest first; all if there are fewer.",
                ),
                io.Float.Input(
                    "content_floor",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    round=0.01,
                    advanced=True,
                    tooltip="Pictures that show less of the prompt than this come last; 0 is off.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The nearest pictures, in order."),
                ReadingsSocket.Output(display_name="readings", tooltip="Their readings."),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: Tensor,
        readings: tuple[Outcome, ...],
        target: Emotion,
        count: int,
        content_floor: float = 0.0,
    ) -> io.NodeOutput:
        images = read_pictures(images, readings)
        order = rank_readings(readings, target, content_floor=content_floor)[:count]
        return io.NodeOutput(images[order], tuple(readings[index] for index in order))
