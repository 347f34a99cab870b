"""The widgets that every node with anchors has, and what their values mean together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...emofeedback.control.mixing import Entry
from ...emofeedback.errors import ConfigError
from ..comfy.conditioning_checks import checked_conditioning
from ..comfy.steering import CONDITIONINGS, PREDICTIONS, Steering, anchored, steer
from .names import ENCODE_ANCHORS
from .sockets import target_input


def strength_input() -> io.Input:
    """The knob that is continuous through 0 = off."""
    return io.Float.Input(
        "strength",
        default=1.0,
        min=-2.0,
        max=3.0,
        step=0.05,
        round=0.01,
        tooltip="How strongly the emotion counts: 0 is exactly the prompt alone, 1 the emotion, "
        "beyond 1 more than it, below 0 the opposite.",
    )


def steering_inputs() -> list[io.Input]:
    """Target, strength, window and way of mixing."""
    return [
        target_input(),
        strength_input(),
        io.Float.Input(
            "start_percent",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            round=0.001,
            tooltip="Where in the sampling the anchors' predictions begin to be mixed.",
        ),
        io.Float.Input(
            "end_percent",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            round=0.001,
            tooltip="Where it ends. Outside the window the conditionings are mixed, which costs "
            "nothing; where texts differ in length, the prompt stands alone there.",
        ),
        io.Combo.Input(
            "mix",
            options=[PREDICTIONS, CONDITIONINGS],
            default=PREDICTIONS,
            tooltip="'predictions': the model predicts for up to three texts at once. "
            "'conditionings': their embeddings are mixed first, as fast as without emotion; texts "
            "of different token lengths fall back to predictions.",
        ),
    ]


def positive_input() -> io.Input:
    """The prompt with its anchors."""
    return io.Conditioning.Input("positive", tooltip=f"From {ENCODE_ANCHORS}.")


def negative_input() -> io.Input:
    """What to avoid; models with baked-in guidance take none."""
    return io.Conditioning.Input("negative", optional=True, tooltip="Not needed where cfg is 1.")


def anchors_input() -> io.Input:
    """Anchors for a conditioning that carries none."""
    return io.Conditioning.Input(
        "anchors",
        optional=True,
        tooltip=f"From {ENCODE_ANCHORS}, where the positive conditioning comes from another "
        "encoder.",
    )


def steering_from(inputs: Mapping[str, Any]) -> Steering:
    """The widgets' values as one. Raises: ConfigError: the window is empty, NaN strength."""
    return Steering(
        target=inputs["target"],
        strength=inputs["strength"],
        mix=inputs["mix"],
        start=inputs["start_percent"],
        end=inputs["end_percent"],
    )


def steered_conditioning(
    positive: Any, anchors: list[Entry] | None, how: Steering
) -> tuple[list[Entry], list[Entry]]:
    """The checked positive conditioning, and where the emotion moves it.

    Raises: ConfigError: empty, not finite, or without anchors.
    """
    plain = checked_conditioning(positive, "positive")
    return plain, plain if how.off else steer(anchored(plain, anchors), how)


def negative_or(plain: list[Entry], negative: Any, cfg: float) -> list[Entry]:
    """The negative conditioning; for a model with baked-in guidance none is needed.

    Raises: ConfigError: none is connected and cfg is not 1.
    """
    if negative:
        return checked_conditioning(negative, "negative")
    if cfg != 1:
        raise ConfigError(
            f"cfg is {cfg}, but no negative conditioning is connected. Connect one, or set cfg to "
            "1 for a model with baked-in guidance."
        )
    return plain  # ComfyUI wants one there, and does not compute it at cfg 1
