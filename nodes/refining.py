"""Rewriting a prompt from what was read, without a loop."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..emofeedback.loop.ranking import rank_readings
from ..emofeedback.reading.base import (
    Scorer,
)
from ..emofeedback.records.emotion import Emotion
from ..emofeedback.records.prompt import (
    checked_prompt,
)
from ..emofeedback.records.reading import (
    Outcome,
    Reading,
    measured,
)
from ..emofeedback.records.request import (
    RefineRequest,
)
from .comfy.bridge import show_text, stop_if_interrupted
from .comfy.refiners import refiner_of
from .comfy.words import suggestions_in_words
from .widgets.names import REFINE_PROMPT, SCORE_EMOTION
from .widgets.read_pictures import read_pictures
from .widgets.sockets import CATEGORY, ReadingsSocket, prompt_input, refiner_input, target_input


class RefinePrompt(io.ComfyNode):
    """The next prompt, from pictures and their readings."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_RefinePrompt",
            display_name=REFINE_PROMPT,
            category=CATEGORY,
            description="Rewrites a prompt so that the next picture feels more like the target. "
            "Your words stay; an affect clause is added.",
            search_aliases=["rewrite prompt", "prompt feedback", "enhance prompt", "suggestions"],
            inputs=[
                prompt_input("The prompt that the pictures were made from."),
                io.Image.Input("images", tooltip="Pictures made from the prompt."),
                ReadingsSocket.Input("readings", tooltip=f"Their readings, from {SCORE_EMOTION}."),
                target_input(),
                refiner_input(),
            ],
            outputs=[
                io.String.Output(display_name="prompt", tooltip="The next prompt."),
                io.String.Output(display_name="suggestions", tooltip="What to change, and why."),
            ],
        )

    @classmethod
    def execute(
        cls,
        prompt: str,
        images: Tensor,
        readings: tuple[Outcome, ...],
        target: Emotion,
        refiner: Scorer | None = None,
    ) -> io.NodeOutput:
        prompt, images = checked_prompt(prompt), read_pictures(images, readings)
        read = [i for i, outcome in enumerate(readings) if isinstance(outcome, Reading)]
        found = tuple(measured(readings))
        stop_if_interrupted()
        request = RefineRequest(
            artist_prompt=prompt,
            prompt=prompt,
            images=images[read],
            readings=found,
            target=target,
            best=rank_readings(found, target)[0],
        )
        refinement = refiner_of(refiner).refine(request)
        told = found[request.best].cues
        refinement = refinement.suggesting_nothing_of([cue.name for cue in told])
        text = suggestions_in_words(refinement)
        show_text(text)
        return io.NodeOutput(refinement.prompt, text)
