"""Anchors on a CONDITIONING: they travel as one more key, and move it towards an emotion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ...emofeedback.control.mixing import (
    ANCHORS,
    POOLED,
    AnchorWeights,
    Entry,
    Part,
    anchor_weights,
    blend,
    same_layout,
    weigh,
)
from ...emofeedback.errors import ConfigError
from ...emofeedback.records.emotion import Emotion
from ..widgets.names import ENCODE_ANCHORS

ANCHORS_KEY = "emofb_anchors"
PREDICTIONS, CONDITIONINGS = "predictions", "conditionings"
START, END = "start_percent", "end_percent"
# What text encoders add to a conditioning: of another text these keys have other values.
TEXT_KEYS = (POOLED, "attention_mask", "conditioning_llama3", "t5xxl_ids", "t5xxl_weights")


@dataclass(frozen=True, eq=False)
class EncodedAnchors:
    """Texts around the plane as the CLIP encodes them.

    Args:
        neutral: the artist's prompt.
        anchors: 4 or 8 extreme versions of it, in the order of `ANCHORS`.
        clauses: what was added to the prompt for each.
    """

    neutral: Entry
    anchors: tuple[Entry, ...]
    clauses: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.anchors) not in ANCHORS:
            raise ConfigError(f"There are {len(self.anchors)} anchors; use 4 or 8.")


@dataclass(frozen=True, kw_only=True)
class Steering:
    """How far, how and when a conditioning is moved.

    Args:
        target: the emotion.
        strength: 0 = off, 1 = the target, beyond 1 = past it, negative = the opposite emotion.
        mix: "predictions", or "conditionings", which cost no more than the prompt alone.
        start, end: part of the sampling, 0..1, in which predictions are mixed; before and after it
            conditionings are, where the texts' layouts allow, else the prompt stands alone.
    Raises: ConfigError: the window is empty.
    """

    target: Emotion
    strength: float = 1.0
    mix: str = PREDICTIONS
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= 1:
            raise ConfigError(
                f"The window runs from start_percent {self.start} to end_percent {self.end}. "
                "Start below the end, both between 0 and 1."
            )

    @property
    def off(self) -> bool:
        """Whether nothing is changed, whatever the anchors."""
        return not anchor_weights(self.target, strength=self.strength).anchors


def attach_anchors(conditioning: list[Entry], anchors: EncodedAnchors) -> list[Entry]:
    """The conditioning with anchors on each entry that has none yet."""
    return [[context, {ANCHORS_KEY: anchors, **extra}] for context, extra in conditioning]


def required_anchors(conditioning: list[Entry]) -> EncodedAnchors:
    """The anchors that a conditioning carries.

    Raises: ConfigError: none.
    """
    for _, extra in conditioning:
        if ANCHORS_KEY in extra:
            found: EncodedAnchors = extra[ANCHORS_KEY]
            return found
    raise ConfigError(
        f"What is connected to the anchors input carries no anchors. Connect {ENCODE_ANCHORS}."
    )


def steer(conditioning: list[Entry], how: Steering) -> list[Entry]:
    """The conditioning moved towards the target, each entry by its own anchors.

    An entry that is exactly the anchors' neutral prompt is a corner of the mix. Any other (an
    adapter's, a concatenation, another region's words) keeps weight 1 and gets the difference
    between the anchors and their neutral prompt.

    Entries without anchors stay as they are, so that an emotion can be given to one region alone.

    Returns: the same object where nothing is to do.
    Raises: ConfigError: no entry carries anchors.
    """
    if how.off:
        return conditioning
    if not any(ANCHORS_KEY in extra for _, extra in conditioning):
        raise ConfigError(
            f"The positive conditioning carries no anchors. Make it with {ENCODE_ANCHORS}, or "
            "connect that node's output to the anchors input."
        )
    steered: list[Entry] = []
    for context, extra in conditioning:
        plain = {key: value for key, value in extra.items() if key != ANCHORS_KEY}
        anchors = extra.get(ANCHORS_KEY)
        entry = [context, plain]
        steered += [entry] if anchors is None else _steered(entry, anchors, how)
    return steered


def _steered(entry: Entry, anchors: EncodedAnchors, how: Steering) -> list[Entry]:
    weights = anchor_weights(how.target, len(anchors.anchors), how.strength)
    parts = _parts(entry, anchors, weights)
    blended = blend(parts) if same_layout([part for _, part in parts]) else None
    if "default" in entry[1]:  # fills what masks leave over; ComfyUI ignores strengths there
        return [blended or entry]
    if how.mix == CONDITIONINGS:
        return [blended] if blended else weigh(parts)
    outside = blended or entry
    return [
        *_within(outside, 0.0, how.start),
        *(each for part in weigh(parts) for each in _within(part, how.start, how.end)),
        *_within(outside, how.end, 1.0),
    ]


def _parts(entry: Entry, anchors: EncodedAnchors, weights: AnchorWeights) -> list[Part]:
    towards = [
        (weight, _in_place_of(entry, anchors.anchors[index], anchors.neutral))
        for index, weight in weights.anchors
    ]
    if _is_text(entry, anchors.neutral):
        parts = [(weights.neutral, entry), *towards]
    else:
        neutral = _in_place_of(entry, anchors.neutral, anchors.neutral)
        parts = [(1.0, entry), (weights.neutral - 1, neutral), *towards]
    return [(weight, part) for weight, part in parts if weight != 0]


def _is_text(entry: Entry, neutral: Entry) -> bool:
    pooled, own = neutral[1].get(POOLED), entry[1].get(POOLED)
    return _same(entry[0], neutral[0]) and (pooled is own or _same(pooled, own))


def _same(one: Any, other: Any) -> bool:
    return (
        one is not None
        and other is not None
        and one.shape == other.shape
        and torch.equal(one, other.to(one.device))
    )


def _in_place_of(entry: Entry, text: Entry, neutral: Entry) -> Entry:
    """What the entry would be if it had been encoded from another text."""
    context, extra = text
    kept = {
        key: value
        for key, value in entry[1].items()
        if key not in TEXT_KEYS and (key not in neutral[1] or key not in extra)
    }
    own = {key: value for key, value in extra.items() if key not in kept}
    return [context.to(entry[0].device), {**kept, **own}]


def _within(entry: Entry, start: float, end: float) -> list[Entry]:
    """The entry for a part of the sampling, within the part that it already had; none if empty."""
    context, extra = entry
    start = max(start, extra.get(START, 0.0))
    end = min(end, extra.get(END, 1.0))
    if start >= end:
        return []
    if (start, end) == (extra.get(START, 0.0), extra.get(END, 1.0)):
        return [entry]
    return [[context, {**extra, START: start, END: end}]]


def anchored(conditioning: list[Entry], anchors: list[Entry] | None) -> list[Entry]:
    """The conditioning with the anchors of another one, where it carries none itself.

    Raises: ConfigError: the other one carries none either.
    """
    if anchors is None:
        return conditioning
    return attach_anchors(conditioning, required_anchors(anchors))
