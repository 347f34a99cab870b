"""A prompt and an emotion as one conditioning."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..emofeedback.adapter import EmotionAdapter
from ..emofeedback.emotion import Emotion
from ..emofeedback.errors import ConfigError
from ..emofeedback.refining import with_clause
from ..emofeedback.rules import affect_phrase
from .embedded_models import attached_adapter, attached_strength
from .sockets import CATEGORY, EmotionSocket

ADAPTER, PHRASE = "adapter", "phrase"


class EncodeEmotion(io.ComfyNode):
    """CLIP Text Encode that also says how the picture should feel."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EncodeEmotion",
            display_name="Encode Emotion",
            category=CATEGORY,
            description="Encodes a prompt together with an emotion. With strength 0 it is exactly "
            "CLIP Text Encode.",
            search_aliases=["emotion prompt", "clip text encode", "conditioning", "mood"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder; the adapter travels with it."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="What the picture shows.",
                ),
                EmotionSocket.Input("emotion", tooltip="How the picture should feel."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    round=0.01,
                    tooltip="How strongly the emotion counts; 0 leaves the prompt alone.",
                ),
                io.Combo.Input(
                    "method",
                    options=[ADAPTER, PHRASE],
                    default=ADAPTER,
                    tooltip="'adapter' needs a CLIP with a trained emotion adapter; 'phrase' "
                    "writes affect words into the prompt and works with every CLIP.",
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
        cls, clip: Any, prompt: str, emotion: Emotion, strength: float, method: str = ADAPTER
    ) -> io.NodeOutput:
        return io.NodeOutput(encode_emotion(clip, prompt, emotion, strength, method))


def encode_text(clip: Any, text: str) -> list[Any]:
    """Exactly what CLIP Text Encode makes of the text."""
    if clip is None:
        raise ConfigError(
            "The clip input is empty: the checkpoint holds no text encoder. Connect a CLIP, for "
            "example from Load Embedded or Load CLIP."
        )
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))


def encode_emotion(
    clip: Any, prompt: str, emotion: Emotion, strength: float, method: str = ADAPTER
) -> list[Any]:
    """Conditioning of a prompt moved towards an emotion.

    Args:
        clip: a ComfyUI CLIP.
        strength: 0 returns the plain conditioning, bit for bit.
        method: "adapter" or "phrase".
    Raises: ConfigError: the adapter is asked for and the CLIP carries none.
    """
    plain = encode_text(clip, prompt)
    if strength == 0:
        return plain
    if method == PHRASE:
        return _mixed(
            plain, encode_text(clip, with_clause(prompt, affect_phrase(emotion))), strength
        )
    adapter = attached_adapter(clip)
    if adapter is None:
        raise ConfigError(
            "This CLIP carries no emotion adapter. Connect the CLIP of Load Embedded or of an "
            "emotion checkpoint, or set method to 'phrase', which works with every CLIP."
        )
    strength *= attached_strength(clip)
    return [_adapted(adapter, entry, emotion, strength) for entry in plain]


def _adapted(adapter: EmotionAdapter, entry: list[Any], emotion: Emotion, strength: float) -> list:
    context, extra = entry
    pooled = extra.get("pooled_output")
    if pooled is None:
        raise ConfigError(
            "This CLIP gives no pooled output, which the emotion adapter needs. Set method to "
            "'phrase'."
        )
    device = next(adapter.parameters()).device
    felt = torch.tensor([[emotion.valence, emotion.arousal]], device=device)
    moved, moved_pooled = adapter(context.to(device), pooled.to(device), felt, strength)
    return [moved.to(context.device), {**extra, "pooled_output": moved_pooled.to(pooled.device)}]


def _mixed(plain: list[Any], phrased: list[Any], strength: float) -> list[Any]:
    """From the plain (0) to the phrased (1) conditioning, as ConditioningAverage does."""
    from nodes import ConditioningAverage  # ComfyUI's own

    return ConditioningAverage().addWeighted(phrased, plain, strength)[0]
