"""When a loop stops, and why: tolerance, rounds, patience, time."""

from __future__ import annotations

from ..records.state import LoopState
from .cost import loop_cost

STOP_REASONS = {
    "tolerance": "close enough",
    "rounds": "all rounds done",
    "patience": "no better picture any more",
    "time budget": "time is up",
    "accepted": "accepted by you",
    "scorer": "the scorer or the refiner failed",
    "unread": "no picture could be read",
}
"""Why a loop has stopped, as reports name it, and in words for the page."""


def stop_reason(state: LoopState) -> str:
    """Why the loop should stop now, empty while it should go on."""
    policy, best, resumed = state.policy, state.best, state.resumed
    if best is None:
        return "unread" if state.coming_round > policy.rounds else ""
    if policy.tolerance > 0 and best.gap.size <= policy.tolerance and _content_passes(state):
        return "tolerance"
    if state.coming_round > policy.rounds:
        return "rounds"
    tried = len(state.rounds) - max(best.round_index + 1, resumed.read if resumed else 0)
    if policy.patience and tried >= policy.patience:
        return "patience"
    seconds = loop_cost(state)["seconds"] - (resumed.seconds if resumed else 0.0)
    if policy.time_budget_s and seconds >= policy.time_budget_s:
        return "time budget"
    return ""


def _content_passes(state: LoopState) -> bool:
    content = state.best_reading.content
    return content is None or content >= state.policy.content_floor
