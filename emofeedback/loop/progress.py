"""The progress of a loop: its phases, and the event that says which one a page shows."""

from __future__ import annotations

from ..records.state import LoopState
from .events import Event

MAKING, READING, REWRITING = PHASES = (
    "making pictures",
    "reading emotions",
    "rewriting the prompt",
)
"""What a loop is doing, as pages show it; they get the words with the events."""


def doing_event(state: LoopState, doing: str) -> Event:
    """That `doing` (one of `PHASES`) begins, and in which round; only pictures can be skipped."""
    # rewriting still belongs to the round that was read; before the first one, to that
    number = max(1, state.coming_round - (doing == REWRITING))
    skippable = doing == MAKING
    return {"kind": "doing", "what": doing, "round": number, "skippable": skippable}
