"""The order of candidates: which picture is nearest to the target, of a round and of all rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import ConfigError
from ..records.emotion import Emotion
from ..records.reading import Outcome, Unread
from ..records.state import Best, LoopState, RoundRecord


def _rank(reading: Outcome, target: Emotion, floor: float) -> tuple[int, float]:
    """Sort key: by gap above the content floor, then by content, then what has no reading."""
    if isinstance(reading, Unread):
        return 2, 0.0
    if reading.content is not None and reading.content < floor:
        return 1, -reading.content
    return 0, target.gap_from(reading.emotion).size


def rank_readings(
    readings: Sequence[Outcome], target: Emotion, *, content_floor: float = 0.0
) -> list[int]:
    """Indices of the readings, best first: smallest gap size, then those below the floor.

    Pictures without a reading come last.

    Raises: ConfigError: there are no readings.
    """
    if not readings:
        raise ConfigError("There are 0 readings to rank. Score at least one image first.")
    return sorted(
        range(len(readings)), key=lambda index: _rank(readings[index], target, content_floor)
    )


def measured_best(state: LoopState) -> Best | None:
    """The best picture so far by its gap, whatever the artist chose."""
    best: Best | None = None
    for index, record in enumerate(state.rounds):
        best = best_after(replace(state, rounds=state.rounds[:index], best=best), record)
    return best


def best_after(state: LoopState, record: RoundRecord) -> Best:
    """The best picture so far once a round has joined the state's; the artist's choice stays."""
    new = Best(len(state.rounds), record.best, record.gap)
    if state.best is None:
        return new
    if state.best.chosen:
        return state.best
    floor = state.policy.content_floor
    old_rank = _rank(state.best_reading, state.target, floor)
    new_rank = _rank(record.best_reading, state.target, floor)
    return new if new_rank < old_rank else state.best
