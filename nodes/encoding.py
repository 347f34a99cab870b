"""A prompt and an emotion as one conditioning."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..emofeedback.control.mixing import Entry
from ..emofeedback.records.emotion import Emotion
from .comfy.emotion_encoding import ADAPTER, METHODS, encode_emotion
from .comfy.steering import required_anchors
from .widgets.names import ENCODE_ANCHORS, ENCODE_EMOTION
from .widgets.sockets import CATEGORY, EmotionSocket, prompt_input
from .widgets.steering import strength_input


class EncodeEmotion(io.ComfyNode):
    """CLIP Text Encode that also says how the picture should feel."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EncodeEmotion",
            display_name=ENCODE_EMOTION,
            category=CATEGORY,
            description="Encodes a prompt together with an emotion. With strength 0 it is exactly "
            "CLIP Text Encode.",
            search_aliases=["emotion prompt", "clip text encode", "conditioning", "mood"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder; the adapter travels with it."),
                prompt_input(),
                EmotionSocket.Input("emotion", tooltip="How the picture should feel."),
                strength_input(),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default=ADAPTER,
                    tooltip="'adapter' needs a CLIP with a trained emotion adapter; 'phrase' "
                    "writes affect words into the prompt and works with every CLIP; 'anchors' "
                    "mixes extreme versions of the prompt, smoothly, with every CLIP. Adapter and "
                    "anchors together each get a share of the strength.",
                ),
                io.Conditioning.Input(
                    "anchors",
                    optional=True,
                    tooltip=f"From {ENCODE_ANCHORS}, for its words; without it the rules write the "
                    "anchors' words.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="conditioning", tooltip="For a sampler's positive input."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        clip: Any,
        prompt: str,
        emotion: Emotion,
        strength: float,
        method: str = ADAPTER,
        anchors: list[Entry] | None = None,
    ) -> io.NodeOutput:
        clauses = None if anchors is None else required_anchors(anchors).clauses
        return io.NodeOutput(encode_emotion(clip, prompt, emotion, strength, method, clauses))
