"""The order of candidates: which picture is nearest to the target, of a round and of all rounds."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ConfigError
from ..records.emotion import Emotion
from ..records.reading import Reading
from ..records.state import Best, LoopState, RoundRecord


def _rank(reading: Reading, target: Emotion, floor: float) -> tuple[bool, float]:
    """Sort key: candidates above the content floor by gap, then the others by content."""
    if reading.content is not None and reading.content < floor:
        return True, -reading.content
    return False, target.gap_from(reading.emotion).size


def rank_readings(
    readings: Sequence[Reading], target: Emotion, *, content_floor: float = 0.0
) -> list[int]:
    """Indices of the readings, best first: smallest gap size, those below the floor last.

    Raises: ConfigError: there are no readings.
    """
    if not readings:
        raise ConfigError("There are 0 readings to rank. Score at least one image first.")
    return sorted(
        range(len(readings)), key=lambda index: _rank(readings[index], target, content_floor)
    )


def best_after(state: LoopState, record: RoundRecord) -> Best:
    """The best picture so far once a round has joined the state's."""
    new = Best(len(state.rounds), record.best, record.gap)
    if state.best is None:
        return new
    floor = state.policy.content_floor
    old_reading = state.rounds[state.best.round_index].readings[state.best.candidate]
    old_rank = _rank(old_reading, state.target, floor)
    new_rank = _rank(record.readings[record.best], state.target, floor)
    return new if new_rank < old_rank else state.best
