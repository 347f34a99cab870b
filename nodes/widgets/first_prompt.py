"""What the first round draws: the artist's own words, or words rewritten for the target."""

from __future__ import annotations

from comfy_api.latest import io

from ...emofeedback.loop.steps import rewritten_for_target
from ...emofeedback.records.state import LoopState
from ...emofeedback.refining.base import (
    Refiner,
)
from ..comfy.bridge import show_text, stop_if_interrupted
from ..comfy.live import REWRITING, tell

AS_WRITTEN, REWRITTEN = FIRST_PROMPTS = ("as written", "rewritten")


def first_prompt_input(*, advanced: bool = False) -> io.Input:
    """The choice; optional, so that graphs from before there was one run as they did."""
    return io.Combo.Input(
        "first_prompt",
        options=list(FIRST_PROMPTS),
        default=AS_WRITTEN,
        optional=True,
        advanced=advanced,
        tooltip="What the first round draws. 'as written': your own words, so that you see what "
        "they feel like by themselves. 'rewritten': the refiner adds to your words before there "
        "is a picture, so that none is spent on the neutral prompt.",
    )


def with_first_prompt(state: LoopState, refiner: Refiner) -> LoopState:
    """The state with a rewritten first prompt; the page is told before and after.

    Raises: what the refiner raises, and ComfyUI's interrupt.
    """
    stop_if_interrupted()
    show_text("rewriting the prompt for the first round")
    tell(state, REWRITING)
    state = rewritten_for_target(state, refiner)
    tell(state)
    return state
