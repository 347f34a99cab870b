"""A finished (or running) loop as plain values for JSON.

The one place that writes rounds, refinements and the best picture for others: reports hold them
whole, events bring them one by one. Rounds and candidates are counted from 1.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..errors import LoopError
from ..records.emotion import Emotion, Gap
from ..records.reading import Outcome, Unread, measured
from ..records.refinement import Refinement
from ..records.state import LoopState, RoundRecord, SkippedRound
from .cost import loop_cost
from .prompt_changes import prompt_changes

FORMAT = 2
BY_YOU, BY_GAP = "you", "gap"  # who chose a picture

Values = dict[str, Any]


def loop_report(state: LoopState) -> Values:
    """Everything about a run except its pixels.

    Returns: `prompt`, `target`, `policy`, `first_refinement`, `rounds`, `skipped`, `best`,
        `stop_reason`, `failure`, `cost` and `warnings`.
    Raises: LoopError: no round has run.
    """
    if state.best is None:
        raise LoopError("The loop has not finished a round yet, so there is nothing to report.")
    first, best_round = state.first_refinement, state.best_round
    return {
        "format": FORMAT,
        "prompt": state.artist_prompt,
        "target": _emotion(state.target),
        "policy": asdict(state.policy),
        "seed": state.seed,
        "resumed": state.resumed and {"run": state.resumed.run, "after_round": state.resumed.made},
        "first_refinement": first and refinement_values(first, state.artist_prompt),
        "rounds": [round_values(record, state.target) for record in state.rounds],
        "skipped": [skipped_values(record) for record in state.skipped],
        "best": {
            **best_values(state),
            "prompt": best_round.prompts[state.best.candidate],
            "seed": best_round.seed,
            "reading": state.best_reading.as_dict(),
        },
        "stop_reason": state.stop_reason,
        "failure": state.failure,
        "cost": cost_values(state),
        "warnings": loop_warnings(state),
    }


def round_values(record: RoundRecord, target: Emotion) -> Values:
    """A round that was read."""
    refinement = record.refinement
    return {
        "round": record.number,
        "prompt": record.prompt,
        "prompts": list(record.prompts),
        "seed": record.seed,
        "suggestions": [asdict(suggestion) for suggestion in record.suggestions],
        "next_prompt": refinement.prompt if refinement else None,
        "refiner": refinement.refiner if refinement else None,
        "refined_from": _refined_from(record) if refinement else None,
        "readings": [_outcome_values(outcome, target) for outcome in record.readings],
        "best": record.best + 1,
        "gap": _gap(record.gap),
        "seconds": round(record.seconds, 3),
        "generate_seconds": round(record.generate_seconds, 3),
        "score_seconds": round(record.score_seconds, 3),
        "refine_seconds": round(record.refine_seconds, 3),
        "steps": record.steps,
        "tokens": record.tokens,
        "reused": record.reused,
        "aim": record.aim and _emotion(record.aim),
    }


def _refined_from(record: RoundRecord) -> Values:
    """The candidate that the next prompt was written from, and who chose it."""
    chosen = record.refined_from
    if chosen is None:
        return {"round": record.number, "candidate": record.best + 1, "chosen_by": BY_GAP}
    return {"round": chosen.round, "candidate": chosen.candidate, "chosen_by": BY_YOU}


def prompt_before(record: RoundRecord, state: LoopState) -> str:
    """The prompt that a round's refinement rewrote: its own, or that of the artist's choice."""
    chosen = record.refined_from
    if chosen is None:
        return record.prompt
    by_number = {each.number: each for each in state.rounds}
    return by_number[chosen.round].prompts[chosen.candidate - 1]


def _outcome_values(outcome: Outcome, target: Emotion) -> Values:
    """A reading and its gap, or `unread`: why there is none."""
    if isinstance(outcome, Unread):
        return outcome.as_dict()
    return outcome.as_dict() | {"gap": _gap(target.gap_from(outcome.emotion))}


def skipped_values(record: SkippedRound) -> Values:
    """A round without a reading; `unread` says why for each picture, where it was not skipped."""
    return {
        "number": record.number,
        "pictures": record.pictures,
        "generate_seconds": round(record.generate_seconds, 3),
        "score_seconds": round(record.score_seconds, 3),
        "steps": record.steps,
        "unread": [outcome.why for outcome in record.unread],
        "prompts": list(record.prompts),
    }


def refinement_values(refinement: Refinement, before: str) -> Values:
    """How a prompt was rewritten, and what changed in it."""
    return {
        "prompt": refinement.prompt,
        "changes": prompt_changes(before, refinement.prompt),
        "suggestions": [asdict(suggestion) for suggestion in refinement.suggestions],
        "refiner": refinement.refiner,
        "seconds": round(refinement.seconds, 3),
        "tokens": refinement.tokens,
    }


def best_values(state: LoopState) -> Values:
    """Which picture is the best of all; only where one was read."""
    assert state.best is not None, "no round has been read yet"
    return {
        "round": state.best_round.number,
        "candidate": state.best.candidate + 1,
        "gap": _gap(state.best.gap),
        "chosen_by": BY_YOU if state.best.chosen else BY_GAP,
    }


def cost_values(state: LoopState) -> Values:
    """What was spent; seconds to the millisecond."""
    return {name: round(value, 3) for name, value in loop_cost(state).items()}


def loop_warnings(state: LoopState) -> list[str]:
    """What ended the loop early, pictures without a reading, and every distinct warning."""
    first = state.first_refinement
    found = dict.fromkeys([*([state.failure] if state.failure else []), *state.told])
    found |= dict.fromkeys(first.warnings if first else ())
    for record in state.made:
        found |= dict.fromkeys(unread_in_words(record))
        if isinstance(record, SkippedRound):
            continue
        for reading in measured(record.readings):
            found |= dict.fromkeys(reading.warnings)
        if record.refinement:
            found |= dict.fromkeys(record.refinement.warnings)
    return list(found)


def unread_in_words(record: RoundRecord | SkippedRound) -> list[str]:
    """A sentence for each picture of a round that has no reading."""
    return [
        f"Round {record.number}, picture {number} was not read: {outcome.why}"
        for number, outcome in enumerate(record.outcomes, 1)
        if isinstance(outcome, Unread)
    ]


def _emotion(emotion: Emotion) -> Values:
    return {
        "valence": emotion.valence,
        "arousal": emotion.arousal,
        "category": emotion.category,
    }


def _gap(gap: Gap) -> Values:
    return {"valence": gap.valence, "arousal": gap.arousal, "size": gap.size}
