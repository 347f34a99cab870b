"""The artist's choice: a candidate that leads the loop in the place of the smallest gap."""

from __future__ import annotations

from ..errors import LoopError
from ..records.reading import Reading
from ..records.state import Best, Chosen, LoopState
from .ranking import measured_best


def prefer(state: LoopState, choice: Chosen | None) -> LoopState:
    """The state whose best picture is the artist's choice; None leaves it to the gaps again.

    Raises: LoopError: there is no such candidate, or it was not read.
    """
    if choice is None:
        return state.advanced(["preferred"], best=measured_best(state))
    index = next((i for i, each in enumerate(state.rounds) if each.number == choice.round), None)
    if index is None or not 1 <= choice.candidate <= len(state.rounds[index].readings):
        raise LoopError(
            f"There is no picture {choice.candidate} of round {choice.round} to go on from; rounds "
            f"that were read: {', '.join(str(each.number) for each in state.rounds) or 'none'}."
        )
    reading = state.rounds[index].readings[choice.candidate - 1]
    if not isinstance(reading, Reading):
        raise LoopError(
            f"Picture {choice.candidate} of round {choice.round} has no reading to go on from: "
            f"{reading.why}"
        )
    gap = state.target.gap_from(reading.emotion)
    best = Best(index, choice.candidate - 1, gap, chosen=True)
    return state.advanced(["preferred", choice.round, choice.candidate], best=best)


def chosen_of(state: LoopState) -> Chosen | None:
    """The artist's choice, None where the smallest gap decides."""
    best = state.best
    if best is None or not best.chosen:
        return None
    return Chosen(state.rounds[best.round_index].number, best.candidate + 1)


def basis_of(state: LoopState) -> tuple[int, int]:
    """Round and candidate, both from 0, that the coming prompt is written from."""
    if state.best is not None and state.best.chosen:
        return state.best.round_index, state.best.candidate
    return len(state.rounds) - 1, state.rounds[-1].best
