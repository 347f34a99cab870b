"""Socket types of the pack and inputs that several nodes share."""

from __future__ import annotations

from comfy_api.latest import io

from .names import EMOTION_TARGET

EmotionSocket = io.Custom("EMO_EMOTION")
ScorerSocket = io.Custom("EMO_SCORER")
ReadingsSocket = io.Custom("EMO_READINGS")
StateSocket = io.Custom("EMO_STATE")

CATEGORY = "emotion"
LOOP_CATEGORY = "emotion/loop"
SCORE_CATEGORY = "emotion/score"
STEER_CATEGORY = "emotion/steering, advanced"
"""Beside Encode Emotion, which is the way for most."""
RESEARCH_CATEGORY = "emotion/research"

MAX_SEED = 0xFFFFFFFFFFFFFFFF
AXIS_STEP = 0.05  # of valence and arousal, in scale points


def target_input() -> io.Input:
    """The emotion the artist wants, shared by every node that aims at it."""
    return EmotionSocket.Input(
        "target", tooltip=f"The emotion that viewers should feel, from {EMOTION_TARGET}."
    )


def prompt_input(tooltip: str = "What the picture shows.", *, placeholder: str = "") -> io.Input:
    """A prompt, as CLIP Text Encode takes it."""
    return io.String.Input(
        "prompt",
        default="",
        multiline=True,
        dynamic_prompts=True,
        placeholder=placeholder or None,  # type: ignore[arg-type]  # core leaves it out then
        tooltip=tooltip,
    )


def scorer_input(tooltip: str) -> io.Input:
    """A scorer; the tooltip says what it is used for here."""
    return ScorerSocket.Input("scorer", tooltip=tooltip)


def refiner_input(
    tooltip: str = "A scorer whose language model rewrites the prompt. Leave it open to use the "
    "rule refiner, which needs no model.",
) -> io.Input:
    """A scorer that also rewrites prompts; without one, the rule refiner works."""
    return ScorerSocket.Input("refiner", optional=True, tooltip=tooltip)


def seed_input(tooltip: str) -> io.Input:
    """A seed with the usual control after generate."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=MAX_SEED,
        control_after_generate=io.ControlAfterGenerate.fixed,
        tooltip=tooltip,
    )
