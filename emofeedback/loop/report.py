"""A finished (or running) loop as plain values for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..errors import LoopError
from ..records.emotion import Emotion, Gap
from ..records.refinement import Refinement
from ..records.state import LoopState, RoundRecord
from .cost import loop_cost

FORMAT = 1


def loop_report(state: LoopState) -> dict[str, Any]:
    """Everything about a run except its pixels.

    Returns: `prompt`, `target`, `policy`, `first_refinement`, `rounds`, `skipped`, `best`,
        `stop_reason`, `cost` and `warnings`.
    Raises: LoopError: no round has run.
    """
    if state.best is None:
        raise LoopError("The loop has not finished a round yet, so there is nothing to report.")
    best_round = state.rounds[state.best.round_index]
    return {
        "format": FORMAT,
        "prompt": state.artist_prompt,
        "target": _emotion(state.target),
        "policy": asdict(state.policy),
        "seed": state.seed,
        "first_refinement": _first_refinement(state.first_refinement),
        "rounds": [_round(record) for record in state.rounds],
        "skipped": [asdict(record) for record in state.skipped],
        "best": {
            "round": best_round.number,
            "candidate": state.best.candidate + 1,
            "prompt": best_round.prompts[state.best.candidate],
            "seed": best_round.seed,
            "reading": best_round.readings[state.best.candidate].as_dict(),
            "gap": _gap(state.best.gap),
        },
        "stop_reason": state.stop_reason,
        "cost": loop_cost(state),
        "warnings": loop_warnings(state),
    }


def loop_warnings(state: LoopState) -> list[str]:
    """Every distinct warning of the run's readings and refinements, in order of appearance."""
    first = state.first_refinement
    found: dict[str, None] = dict.fromkeys(first.warnings if first else ())
    for record in state.rounds:
        for reading in record.readings:
            found |= dict.fromkeys(reading.warnings)
        if record.refinement:
            found |= dict.fromkeys(record.refinement.warnings)
    return list(found)


def _emotion(emotion: Emotion) -> dict[str, Any]:
    return {
        "valence": emotion.valence,
        "arousal": emotion.arousal,
        "category": emotion.category,
    }


def _gap(gap: Gap) -> dict[str, float]:
    return {"valence": gap.valence, "arousal": gap.arousal, "size": gap.size}


def _first_refinement(refinement: Refinement | None) -> dict[str, Any] | None:
    """How the first round's prompt was rewritten, None where it is the artist's own."""
    if refinement is None:
        return None
    return {
        "prompt": refinement.prompt,
        "suggestions": [asdict(suggestion) for suggestion in refinement.suggestions],
        "refiner": refinement.refiner,
        "seconds": round(refinement.seconds, 3),
        "tokens": refinement.tokens,
    }


def _round(record: RoundRecord) -> dict[str, Any]:
    refinement = record.refinement
    return {
        "round": record.number,
        "prompt": record.prompt,
        "prompts": list(record.prompts),
        "seed": record.seed,
        "suggestions": [asdict(suggestion) for suggestion in record.suggestions],
        "next_prompt": refinement.prompt if refinement else None,
        "refiner": refinement.refiner if refinement else None,
        "readings": [reading.as_dict() for reading in record.readings],
        "best": record.best + 1,
        "gap": _gap(record.gap),
        "seconds": round(record.seconds, 3),
        "generate_seconds": round(record.generate_seconds, 3),
        "score_seconds": round(record.score_seconds, 3),
        "refine_seconds": round(record.refine_seconds, 3),
        "steps": record.steps,
        "tokens": record.tokens,
    }
