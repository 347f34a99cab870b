"""What nodes say of readings, suggestions and rounds: plain text that is Markdown, too."""

from __future__ import annotations

from collections.abc import Sequence

from ...emofeedback.records.reading import Outcome, Unread, measured
from ...emofeedback.records.refinement import Refinement
from ...emofeedback.records.state import LoopState


def readings_in_words(readings: Sequence[Outcome]) -> str:
    """A list with one line a picture, then every distinct warning; plain text and Markdown."""
    lines = [f"{number}. {_reading_in_words(r)}" for number, r in enumerate(readings, 1)]
    warnings = dict.fromkeys(warning for r in measured(readings) for warning in r.warnings)
    return "\n".join([*lines, *(f"\nWarning: {warning}" for warning in warnings)])


def suggestions_in_words(refinement: Refinement) -> str:
    """A list with one line a suggestion, then the refiner's warnings; plain text and Markdown."""
    lines = [
        f"- {suggestion.text} ({suggestion.reason})"
        if suggestion.reason
        else f"- {suggestion.text}"
        for suggestion in refinement.suggestions
    ]
    return "\n".join(
        [*lines, *(f"\nWarning: {warning}" for warning in refinement.warnings)]
    ).strip()


def round_in_words(state: LoopState) -> str:
    """A line about the last round and the best picture so far."""
    if state.just_skipped:
        unread = "not read" if state.skipped[-1].unread else "skipped"
        line = f"round {state.coming_round - 1} of {state.policy.rounds}: {unread}"
        return f"{line}; {_stopped(state)}" if state.done else line
    assert state.best is not None, "only rounds that were read or skipped are shown"
    record, best = state.rounds[-1], state.best
    line = (
        f"round {record.number} of {state.policy.rounds}: gap {record.gap.size:.2f}, "
        f"best {best.gap.size:.2f} (round {state.best_round.number})"
    )
    if record.aim is not None and not state.done:
        line += f", next aim {state.aim.valence:+.2f}, {state.aim.arousal:+.2f}"
    # The page breaks longer texts of a node in the middle of a word.
    done = f"best gap {best.gap.size:.2f} in round {state.best_round.number}"
    return f"{done}; {_stopped(state)}" if state.done else line


def _stopped(state: LoopState) -> str:
    return f"stopped: {state.failure or state.stop_reason}"


def _reading_in_words(reading: Outcome) -> str:
    """One reading as a line for people."""
    if isinstance(reading, Unread):
        return f"not read: {reading.why}"
    spread = "±{:.2f} / ±{:.2f}".format(*reading.uncertainty)
    clipped = " (beyond the scale, moved to its end)" if reading.clipped else ""
    content = "" if reading.content is None else f", content {reading.content:.0%}"
    cues = "; ".join(cue.name for cue in reading.cues)
    because = f", because of {cues}" if cues else ""
    return f"{reading.emotion} {spread}{clipped}{content}{because}"
