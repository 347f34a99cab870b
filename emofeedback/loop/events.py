"""A loop as a list of small events: what a page shows while it runs, and what is kept of it.

The events of a run, told in order, hold everything that the page shows: a state is told once, and
later states only add to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..images import thumbnail
from ..records.refinement import Refinement
from ..records.state import Chosen, LoopState, RoundRecord
from .choice import chosen_of
from .prompt_changes import prompt_changes
from .report import (
    FORMAT,
    best_values,
    cost_values,
    loop_warnings,
    prompt_before,
    refinement_values,
    round_values,
    unread_in_words,
)
from .stopping import STOP_REASONS

THUMBNAIL_SIDE = 96  # pixels; with this quality some 3 kB
JPEG_QUALITY = 72

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """How much of a run has been told."""

    started: bool = False
    rewritten: bool = False
    rounds: int = 0
    refined: int = 0
    skipped: int = 0
    chosen: Chosen | None = None
    ended: bool = False


def events_since(state: LoopState, told: Told, *, final: bool = True) -> tuple[list[Event], Told]:
    """What happened in `state` beyond what was told, oldest first, and what is told then.

    `final` says that a loop that is done has its costs counted, so that its end may be told.
    """
    events = [] if told.started else [_start(state)]
    first = state.first_refinement
    if first is not None and not told.rewritten:
        events.append(_refined(0, first, state.artist_prompt, state))
    events += [_round(record, state) for record in state.rounds[told.rounds :]]
    if chosen_of(state) != told.chosen:
        events.append({"kind": "preferred", **_so_far(state)})
    events += [
        _refined(record.number, record.refinement, prompt_before(record, state), state)
        for record in state.rounds[told.refined :]
        if record.refinement is not None
    ]
    events += [
        {
            "kind": "skipped",
            "round": skipped.number,
            "unread": unread_in_words(skipped),
            **_so_far(state),
        }
        for skipped in state.skipped[told.skipped :]
    ]
    ends = final and state.done and not told.ended
    if ends:
        end = {
            "stop_reason": state.stop_reason,
            "why": STOP_REASONS[state.stop_reason],
            "warnings": loop_warnings(state),
        }
        events.append({"kind": "end", **end, **_so_far(state)})
    refined = sum(record.refinement is not None for record in state.rounds)
    return events, Told(
        started=True,
        rewritten=first is not None,
        rounds=len(state.rounds),
        refined=refined,
        skipped=len(state.skipped),
        chosen=chosen_of(state),
        ended=told.ended or ends,
    )


def _start(state: LoopState) -> Event:
    target = state.target
    return {
        "kind": "start",
        "format": FORMAT,
        "prompt": state.artist_prompt,
        "target": {"valence": target.valence, "arousal": target.arousal},
        "rounds": state.policy.rounds,
        "candidates": state.policy.candidates,
        "tolerance": state.policy.tolerance,
    }


def _so_far(state: LoopState) -> Event:
    best = None if state.best is None else best_values(state)
    return {"cost": cost_values(state), "best_so_far": best}


def _round(record: RoundRecord, state: LoopState) -> Event:
    return {
        "kind": "round",
        **round_values(record, state.target),
        "unread": unread_in_words(record),
        "thumbnails": [
            thumbnail(image, THUMBNAIL_SIDE, quality=JPEG_QUALITY) for image in record.images
        ],
        **_so_far(state),
    }


def _refined(number: int, refinement: Refinement, before: str, state: LoopState) -> Event:
    """What followed a round; 0 is before the first."""
    values = refinement_values(refinement, before)
    return {"kind": "refined", "round": number, **values, **_so_far(state)}


def upgraded(events: Sequence[Event]) -> list[Event]:
    """The events of a run kept by any version, as this one writes them; broken ones left out."""
    start = next((event for event in events if event.get("kind") == "start"), {})
    if start.get("format") != 1:
        return list(events)
    prompts = {0: start.get("prompt", "")}
    found = []
    for event in events:
        try:
            found.append(_from_format_1(event, start, prompts))
        except (KeyError, TypeError):
            continue  # cut off or damaged
    return found


def _from_format_1(event: Event, start: Event, prompts: dict[int, str]) -> Event:
    """Format 1 counted candidates from 0, named gaps by size alone and left words to the page."""
    event = dict(event)
    if event["kind"] == "start":
        event["format"] = FORMAT
    elif event["kind"] == "round":
        prompts[event["round"]] = event["prompt"]
        event["best"] += 1
        readings = event.pop("candidates")
        event["thumbnails"] = [reading["thumbnail"] for reading in readings]
        event["readings"] = [
            {**reading, "gap": _gap_of(reading, start["target"])} for reading in readings
        ]
    elif event["kind"] == "refined":
        event["changes"] = prompt_changes(prompts[event["round"]], event["prompt"])
    elif event["kind"] == "end":
        event["why"] = STOP_REASONS.get(event["stop_reason"], event["stop_reason"])
    if event.get("best_so_far"):
        best = event["best_so_far"]
        gap = {"size": best["gap"]}
        event["best_so_far"] = {**best, "candidate": best["candidate"] + 1, "gap": gap}
    return event


def _gap_of(reading: Event, target: Event) -> Event:
    differences = {axis: target[axis] - reading[axis] for axis in ("valence", "arousal")}
    return {**differences, "size": reading["gap"]}
