"""A loop as a list of small events: what a page shows while it runs, and what is kept of it.

The events of a run, told in order, hold everything that the page shows: a state is told once, and
later states only add to it.
"""

from __future__ import annotations

import base64
import io
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from ..records.refinement import Refinement
from ..records.state import LoopState, RoundRecord
from .cost import loop_cost
from .report import loop_warnings

FORMAT = 1
THUMBNAIL_SIDE = 96
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
    ended: bool = False


def events_since(state: LoopState, told: Told, *, final: bool = True) -> tuple[list[Event], Told]:
    """What happened in `state` beyond what was told, oldest first, and what is told then.

    `final` says that a loop that is done has its costs counted, so that its end may be told.
    """
    events = [] if told.started else [_start(state)]
    first = state.first_refinement
    if first is not None and not told.rewritten:
        events.append(_refined(0, first, state))
    for index in range(told.rounds, len(state.rounds)):
        events.append(_round(state.rounds[index], state))
    for record in state.rounds[told.refined :]:
        if record.refinement is not None:
            events.append(_refined(record.number, record.refinement, state))
    for skipped in state.skipped[told.skipped :]:
        events.append({"kind": "skipped", "round": skipped.number, **_so_far(state)})
    ends = final and state.done and not told.ended
    if ends:
        end = {"stop_reason": state.stop_reason, "warnings": loop_warnings(state)}
        events.append({"kind": "end", **end, **_so_far(state)})
    refined = sum(record.refinement is not None for record in state.rounds)
    return events, Told(
        started=True,
        rewritten=first is not None,
        rounds=len(state.rounds),
        refined=refined,
        skipped=len(state.skipped),
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
    """Cost, and the best picture; its round by number, its place counted from 0."""
    best = state.best
    return {
        "cost": loop_cost(state),
        "best_so_far": None
        if best is None
        else {
            "round": state.rounds[best.round_index].number,
            "candidate": best.candidate,
            "gap": best.gap.size,
        },
    }


def _round(record: RoundRecord, state: LoopState) -> Event:
    candidates = [
        {
            "valence": reading.emotion.valence,
            "arousal": reading.emotion.arousal,
            "uncertainty": list(reading.uncertainty),
            "gap": state.target.gap_from(reading.emotion).size,
            "words": list(reading.words),
            "cues": [asdict(cue) for cue in reading.cues],
            "rationale": reading.rationale,
            "content": reading.content,
            "thumbnail": thumbnail(image),
        }
        for reading, image in zip(record.readings, record.images)
    ]
    return {
        "kind": "round",
        "round": record.number,
        "prompt": record.prompt,
        "best": record.best,
        "candidates": candidates,
        **_so_far(state),
    }


def _refined(number: int, refinement: Refinement, state: LoopState) -> Event:
    """What followed a round; 0 is before the first."""
    return {
        "kind": "refined",
        "round": number,
        "prompt": refinement.prompt,
        "refiner": refinement.refiner,
        "suggestions": [asdict(suggestion) for suggestion in refinement.suggestions],
        **_so_far(state),
    }


def thumbnail(png: bytes) -> str:
    """A small JPEG of a picture as a data URL, some 3 kB."""
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    stream = io.BytesIO()
    small.save(stream, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
