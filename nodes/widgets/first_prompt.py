"""What the first round draws: the artist's own words, or words rewritten for the target."""

from __future__ import annotations

from comfy_api.latest import io

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
