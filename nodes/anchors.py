"""A prompt with its anchors: extreme versions of it around the plane."""

from __future__ import annotations

from typing import Any

import comfy.utils
from comfy_api.latest import io

from ..emofeedback.control.anchors import rule_clause, typed_clauses, written_clause
from ..emofeedback.control.mixing import ANCHORS
from ..emofeedback.reading.base import (
    Scorer,
)
from ..emofeedback.records.limits import check_choice
from ..emofeedback.records.prompt import checked_prompt
from ..emofeedback.refining.kept_words import with_clause
from .comfy.bridge import stop_if_interrupted
from .comfy.conditioning_checks import check_finite
from .comfy.refiners import refiner_of
from .comfy.steering import EncodedAnchors, attach_anchors
from .comfy.text import encode_text
from .widgets.names import EMOTION_GUIDER, EMOTION_MODEL_PATCH, EMOTION_SAMPLER, ENCODE_ANCHORS
from .widgets.sockets import STEER_CATEGORY, prompt_input, refiner_input


class EncodeAnchors(io.ComfyNode):
    """CLIP Text Encode whose conditioning can be moved towards any emotion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmoFB_EncodeAnchors",
            display_name=ENCODE_ANCHORS,
            category=STEER_CATEGORY,
            description="Encodes a prompt, exactly as CLIP Text Encode, and beside it the same "
            "prompt at the rim of the plane: most pleasant, most exciting, most frightening and so "
            f"on. {EMOTION_SAMPLER}, {EMOTION_GUIDER} and {EMOTION_MODEL_PATCH} mix them; other "
            "samplers take it for the plain prompt.",
            search_aliases=["anchor prompts", "clip text encode", "emotion anchors", "valence"],
            inputs=[
                io.Clip.Input("clip", tooltip="The model's text encoder."),
                prompt_input(),
                io.Combo.Input(
                    "count",
                    options=[str(count) for count in ANCHORS],
                    default="8",
                    tooltip="Anchors around the plane: 8, or the 4 corners.",
                ),
                io.String.Input(
                    "texts",
                    default="",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="Your own words for the anchors, one line each, added to the prompt: "
                    "for 8 pleasure, excitement, arousal, distress, displeasure, depression, "
                    "sleepiness, relaxation; for 4 excitement, distress, depression, relaxation. "
                    "Left empty, the refiner writes them.",
                ),
                refiner_input(),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="conditioning", tooltip="The prompt, with its anchors."
                ),
                io.String.Output(
                    display_name="texts", tooltip="The anchors' words, to edit and put into texts."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, clip: Any, prompt: str, count: str, texts: str, refiner: Scorer | None = None
    ) -> io.NodeOutput:
        check_choice("count", count, map(str, ANCHORS))
        clauses = _anchor_clauses(prompt, int(count), texts, refiner)
        plain = encode_text(clip, prompt)
        anchors = _encode_anchors(clip, prompt, plain, clauses)
        return io.NodeOutput(attach_anchors(plain, anchors), "\n".join(clauses))


def _anchor_clauses(
    prompt: str, count: int, texts: str = "", refiner: Scorer | None = None
) -> tuple[str, ...]:
    """What is added to the prompt at each anchor: typed, or written by a refiner or the rules.

    Raises: ConfigError: an empty prompt, an anchor without text. ScorerError: the refiner failed.
    """
    checked_prompt(prompt)
    if texts.strip():
        return typed_clauses(texts, count)
    if refiner is None:
        return tuple(rule_clause(prompt, index, count) for index in range(count))
    writer, clauses = refiner_of(refiner), []
    progress = comfy.utils.ProgressBar(count)
    for emotion in ANCHORS[count]:
        stop_if_interrupted()
        clauses.append(written_clause(prompt, emotion, writer))
        progress.update(1)
    return tuple(clauses)


def _encode_anchors(
    clip: Any, prompt: str, plain: list[Any], clauses: tuple[str, ...]
) -> EncodedAnchors:
    """The prompt with each clause, as the CLIP encodes it.

    Args: plain: the prompt alone, encoded by the same CLIP.
    Raises: ConfigError: an embedding is not finite.
    """
    entries = []
    for clause in clauses:
        text = with_clause(prompt, clause)
        entries.append(encode_text(clip, text)[0])
        check_finite(entries[-1][0], f"the anchor text {text!r}")
    return EncodedAnchors(plain[0], tuple(entries), clauses)
