"""The widgets that say when a loop stops and how much it tries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfy_api.latest import io

from ...emofeedback.records.policy import (
    MAX_CANDIDATES,
    MAX_ROUNDS,
    SEED_POLICIES,
    STEERS,
    LoopPolicy,
)

DEFAULTS = LoopPolicy()


def policy_inputs() -> list[io.Input]:
    """One widget for each field of `LoopPolicy`, but for `steering_inputs`."""
    return [
        io.Int.Input(
            "rounds",
            default=DEFAULTS.rounds,
            min=1,
            max=MAX_ROUNDS,
            tooltip="At most this many rounds. The EmoFeedback^2 paper uses 3 with 8 candidates.",
        ),
        io.Int.Input(
            "candidates",
            default=DEFAULTS.candidates,
            min=1,
            max=MAX_CANDIDATES,
            tooltip="Pictures a round; the best is carried on.",
        ),
        io.Float.Input(
            "tolerance",
            default=DEFAULTS.tolerance,
            min=0.0,
            max=6.0,
            step=0.05,
            round=0.01,
            tooltip="Stop when the best picture is this near to the target, in scale points; "
            "0 never stops early.",
        ),
        io.Int.Input(
            "patience",
            default=DEFAULTS.patience,
            min=0,
            max=MAX_ROUNDS,
            advanced=True,
            tooltip="Stop after this many rounds in a row without a better picture; 0 is off.",
        ),
        io.Float.Input(
            "time_budget_s",
            default=DEFAULTS.time_budget_s,
            min=0.0,
            max=86400.0,
            step=1.0,
            round=0.1,
            advanced=True,
            tooltip="Start no further round after this many seconds; 0 is off.",
        ),
        io.Combo.Input(
            "seed_policy",
            options=list(SEED_POLICIES),
            default=DEFAULTS.seed_policy,
            advanced=True,
            tooltip="'per round' adds the round to the seed; 'fixed' keeps it, so that only the "
            "words change.",
        ),
        io.Float.Input(
            "content_floor",
            default=DEFAULTS.content_floor,
            min=0.0,
            max=1.0,
            step=0.05,
            round=0.01,
            advanced=True,
            tooltip="A picture that shows less of the prompt than this cannot be the best; "
            "0 is off.",
        ),
    ]


def steering_inputs(takes_aim: str, *, advanced: bool = False) -> list[io.Input]:
    """The policy's later widgets, the last ones of a node; optional, so that old graphs run.

    Args:
        takes_aim: what must be wired or set for the aim, a sentence.
    """
    return [
        io.Boolean.Input(
            "stop_unpromising",
            default=DEFAULTS.stop_unpromising,
            optional=True,
            advanced=advanced,
            tooltip="Stop where the readings so far let no better picture be expected of another "
            "round. Off: go on until the rounds are used up or the tolerance is reached.",
        ),
        io.Combo.Input(
            "steer",
            options=list(STEERS),
            default=DEFAULTS.steer,
            optional=True,
            advanced=advanced,
            tooltip="What moves from round to round. 'words': the prompt. 'aim': the emotion that "
            "is handed to what makes the pictures; the words stay. 'both': they share the gap. "
            f"{takes_aim}",
        ),
    ]


def policy_from(settings: Mapping[str, Any]) -> LoopPolicy:
    """The policy that the widgets describe."""
    return LoopPolicy(**settings)
