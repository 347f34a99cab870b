"""When a loop stops, and why: tolerance, rounds, patience, time, expectation."""

from __future__ import annotations

from collections.abc import Sequence

from ..records.state import LoopState
from ..refining.cues import named_cues
from ..refining.evidence import Evidence, Tried
from ..refining.expectation import WORTH, expected_gain
from ..refining.rules import tried_in
from .cost import loop_cost
from .steering import handed_aim

UNPROMISING = "nothing better expected"
STOP_REASONS = {
    "tolerance": "close enough",
    "rounds": "all rounds done",
    "patience": "no better picture any more",
    "time budget": "time is up",
    "accepted": "accepted by you",
    "scorer": "the scorer or the refiner failed",
    "unread": "no picture could be read",
    UNPROMISING: "no better picture to be expected of another round",
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


def stopped_unpromising(state: LoopState, prompts: Sequence[str] = ()) -> LoopState:
    """The state, stopped where the coming round is not worth its pictures and the policy minds.

    To be asked at the end of a round, when the coming one's prompt and aim are known.

    Args:
        prompts: the coming round's, one a candidate where they differ.
    """
    policy, best = state.policy, state.best
    if not policy.stop_unpromising or state.done or best is None or state.just_skipped:
        return state
    if best.chosen or not _content_passes(state):
        return state  # not the smallest gap decides
    record = state.best_round
    in_hand = Tried(
        named_cues(record.prompts[best.candidate]), record.best_reading.emotion, record.aim
    )
    gain = expected_gain(
        Evidence.of(tried_in(state.rounds)),
        in_hand,
        [named_cues(prompt) for prompt in prompts or (state.prompt,) * policy.candidates],
        state.target,
        handed_aim(state),
    )
    return state if gain >= WORTH else state.advanced(["unpromising"], stop_reason=UNPROMISING)


def _content_passes(state: LoopState) -> bool:
    content = state.best_reading.content
    return content is None or content >= state.policy.content_floor
