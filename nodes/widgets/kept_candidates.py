"""The switch that has every candidate of a loop kept as a file."""

from __future__ import annotations

from comfy_api.latest import io


def keep_candidates_input() -> io.Input:
    """Off by default; optional, so that graphs from before there was one run as they did."""
    return io.Boolean.Input(
        "keep_candidates",
        default=False,
        optional=True,
        advanced=True,
        tooltip="On: every candidate of a round is written to emofeedback/candidates in the "
        "output folder as soon as the round was read, so that a crash or a restart loses none.",
    )
