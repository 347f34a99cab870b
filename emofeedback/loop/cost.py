"""What a loop has spent: pictures, generator steps, LVLM tokens, seconds."""

from __future__ import annotations

from ..records.state import LoopState, RoundRecord, SkippedRound


def loop_cost(state: LoopState) -> dict[str, float]:
    """Everything spent so far, skipped rounds and the first rewriting included.

    Returns: `pictures` that were made, `steps`, `tokens`; rounds `reused` from an earlier run;
        `generate_seconds`, `score_seconds`, `refine_seconds` and their sum `seconds`, not rounded.
    """
    rounds, skipped, first = state.rounds, state.skipped, state.first_refinement
    made: tuple[RoundRecord | SkippedRound, ...] = (*rounds, *skipped)
    seconds = {
        "generate_seconds": sum(record.generate_seconds for record in made),
        "score_seconds": sum(record.score_seconds for record in made),
        "refine_seconds": sum(record.refine_seconds for record in rounds)
        + (first.seconds if first else 0.0),
    }
    return {
        "pictures": sum(len(record.images) for record in rounds if not record.reused)
        + sum(record.pictures for record in skipped),
        "steps": sum(record.steps for record in made),
        "tokens": sum(record.tokens for record in rounds) + (first.tokens if first else 0),
        "reused": sum(record.reused for record in rounds),
        **seconds,
        "seconds": sum(seconds.values()),
    }
