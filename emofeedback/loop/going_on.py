"""Going on as the artist says: from a candidate that they prefer, or from a loop that had ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..errors import ConfigError, LoopError
from ..records.policy import MAX_ROUNDS, LoopPolicy
from ..records.reading import Reading
from ..records.state import Best, Chosen, LoopState, Resumed
from .cost import loop_cost
from .ranking import measured_best
from .stopping import UNPROMISING

_WRITTEN = re.compile(r"([0-9a-f]{32}):(\d{1,4}):(\d{1,4}):(\d{1,4})", re.ASCII)


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


@dataclass(frozen=True, slots=True)
class Resume:
    """What to go on from.

    Args:
        run: id of a loop that had ended.
        choice: the candidate to go on from; None: as the loop would have gone on.
        more: rounds.
    """

    run: str
    choice: Chosen | None
    more: int


def parsed_resume(text: str) -> Resume:
    """Reads RUN:ROUND:CANDIDATE:MORE; round and candidate count from 1, 0:0 chooses none.

    Raises: ConfigError: it is written in another way.
    """
    found = _WRITTEN.fullmatch(text.strip())
    numbers = [int(number) for number in found.groups()[1:]] if found else []
    if not found or not 1 <= numbers[2] <= MAX_ROUNDS or bool(numbers[0]) != bool(numbers[1]):
        raise ConfigError(
            f"resume is {text[:80]!r}. Write RUN:ROUND:CANDIDATE:ROUNDS as the panel's button "
            f"Continue does (0:0 chooses no candidate, 1 to {MAX_ROUNDS} rounds), or leave it "
            "empty to start a new loop."
        )
    choice = Chosen(numbers[0], numbers[1]) if numbers[0] else None
    return Resume(found[1], choice, numbers[2])


def resumed_loop(
    ended: LoopState, resume: Resume, policy: LoopPolicy, *, origin: bytes = b""
) -> LoopState:
    """The state of an ended loop before the last round that was read, which knows how that went.

    Whoever opens that round draws and reads nothing; what comes after it (rewriting, more rounds)
    happens as in any loop.

    Args:
        policy: how to go on; its `rounds` are those that were made and `resume.more`. A tolerance
            that was reached is off, as is an expectation; patience and time budget count anew.
        origin: as in `LoopState`, where it is another than before.
    Raises: LoopError: no picture was read, or none by `resume.choice`. ConfigError: too many.
    """
    made = ended.coming_round - 1
    if ended.best is None:
        raise LoopError("The loop to go on from read no picture. Start a new one.")
    if made + resume.more > MAX_ROUNDS:
        raise ConfigError(
            f"{resume.more} rounds after {made} are more than {MAX_ROUNDS} in all. Go on with "
            f"{MAX_ROUNDS - made} at most, or start a new loop from the best prompt."
        )
    reached = ended.best.gap.size <= policy.tolerance
    policy = replace(
        policy,
        rounds=made + resume.more,
        tolerance=0.0 if reached else policy.tolerance,
        stop_unpromising=policy.stop_unpromising and ended.stop_reason != UNPROMISING,
    )
    last = ended.rounds[-1]
    # words written before a choice, or before the loop ended, are written anew
    anew = resume.choice is not None or not ended.just_skipped
    after = replace(
        ended,
        policy=policy,
        stop_reason="",
        failure="",
        origin=origin or ended.origin,
        rounds=(*ended.rounds[:-1], replace(last, refinement=None, refined_from=None))
        if anew
        else ended.rounds,
        resumed=Resumed(resume.run, len(ended.rounds), made, loop_cost(ended)["seconds"]),
    )
    choice = resume.choice
    told = [choice and [choice.round, choice.candidate], resume.more, repr(policy), after.origin]
    after = after.advanced(["resumed", resume.run, *told])
    after = prefer(after, choice) if choice else after
    earlier = after.rounds[:-1]
    best = after.best if after.best and after.best.round_index < len(earlier) else None
    before = after.advanced(["before"], rounds=earlier, best=best)
    return replace(before, known=after)
