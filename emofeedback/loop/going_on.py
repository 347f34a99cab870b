"""Going on from a loop that had ended: as it would have, or from what the artist chose."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ConfigError, LoopError
from ..records.policy import MAX_ROUNDS, LoopPolicy
from ..records.state import Chosen, LoopState, Resumed
from .choice import chosen_of, prefer
from .cost import loop_cost
from .stopping import UNPROMISING


@dataclass(frozen=True, slots=True)
class Resume:
    """What to go on from.

    Args:
        run: id of a loop that had ended.
        choice: the candidate to go on from; None leaves it to the gaps, whatever led that loop.
        more: rounds.
    """

    run: str
    choice: Chosen | None
    more: int


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
    # words written by another choice, or before the loop ended, are written anew
    other = resume.choice != chosen_of(ended)
    anew = other or not ended.just_skipped
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
    after = prefer(after, choice) if other else after
    earlier = after.rounds[:-1]
    best = after.best if after.best and after.best.round_index < len(earlier) else None
    before = after.advanced(["before"], rounds=earlier, best=best)
    return replace(before, known=after)
