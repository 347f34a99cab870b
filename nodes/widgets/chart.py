"""The widgets of every node that draws a chart."""

from __future__ import annotations

from comfy_api.latest import io

from ...emofeedback.pictures.theme import THEMES

AUTO = "auto"
"""That of ComfyUI's page, which writes it when it queues; `theme_of` tells where none did."""


def theme_input(*, of_results: bool = False) -> io.Input:
    """Colours of a chart.

    Args:
        of_results: the chart is one output of several; graphs from before run as they did.
    """
    return io.Combo.Input(
        "theme",
        options=[*THEMES, AUTO],
        default=AUTO,
        optional=of_results,
        advanced=of_results,
        tooltip="Colours for a light or a dark page; 'auto' takes those of the page when you press "
        "Run, and light ones for graphs that come without a page.",
    )


def theme_of(chosen: str) -> str:
    """The name of the theme to draw in: light where no page has said its own."""
    return "light" if chosen == AUTO else chosen


def size_input(default: int, side: str = "Width") -> io.Input:
    """How large a chart is."""
    return io.Int.Input(
        "size",
        default=default,
        min=320,
        max=2048,
        step=32,
        advanced=True,
        tooltip=f"{side} of the chart in pixels.",
    )
