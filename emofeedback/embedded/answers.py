"""The embedded model's JSON answers: written for training, read back strictly.

An answer that does not hold what was asked for raises `ScorerAnswerError`; nothing is ever invented
in its place. Text around the JSON object is allowed, since models like to talk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ScorerAnswerError
from ..lvlm.readout import (
    NUM_DIGITS,
)
from ..records.reading import (
    Cue,
)
from ..records.refinement import Suggestion
from ..refining.cues import CueLevel

FELT = 0.25
"""An effect below this, in scale points, is not worth a word."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A reasoned reading: digits on the 1..9 scale, emotion words and causes."""

    valence_digit: int
    arousal_digit: int
    words: tuple[str, ...]
    cues: tuple[Cue, ...]


@dataclass(frozen=True, slots=True)
class RefineAnswer:
    """Suggested changes and the clause to append to the artist's prompt."""

    suggestions: tuple[Suggestion, ...]
    clause: str


def direction(valence: float, arousal: float) -> str:
    """An effect in words: "lowers valence, raises arousal"; empty if it is hardly felt."""
    parts = [
        f"{'raises' if value > 0 else 'lowers'} {axis}"
        for axis, value in (("valence", valence), ("arousal", arousal))
        if abs(value) >= FELT
    ]
    return ", ".join(parts)


def signed(value: float) -> str:
    """A wanted change as the refine prompt spells it: "+1.2"."""
    return f"{value + 0.0:+.1f}".replace("-0.0", "+0.0")


def write_explanation(
    digits: tuple[int, int], words: Sequence[str], cues: Sequence[CueLevel]
) -> str:
    """The answer to the explain prompt."""
    record = {
        "valence": digits[0],
        "arousal": digits[1],
        "words": list(words),
        "cues": [
            {"name": cue.label, "direction": direction(cue.valence, cue.arousal)} for cue in cues
        ],
    }
    return json.dumps(record, separators=(",", ":"))


def write_refinement(
    suggestions: Sequence[Suggestion], clause: str, seen: Sequence[CueLevel] = ()
) -> str:
    """The answer to the refine prompt; what is seen comes first, the changes follow from it."""
    record = {
        "seen": [cue.label for cue in seen],
        "suggestions": [
            {"cue": each.cue, "text": each.text, "reason": each.reason} for each in suggestions
        ],
        "clause": clause,
    }
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


def read_explanation(text: str) -> Explanation:
    """Raises: ScorerAnswerError: no JSON object with the digits, words and cues in it."""
    record = json_object(text)
    return Explanation(
        _digit(record, "valence"),
        _digit(record, "arousal"),
        tuple(_text(word, "words") for word in _entries(record, "words")),
        tuple(
            Cue(
                _text(_field(entry, "name"), "cues.name"), _text(entry.get("direction", ""), "cues")
            )
            for entry in _records(record, "cues")
        ),
    )


def read_refinement(text: str) -> RefineAnswer:
    """Raises: ScorerAnswerError: no JSON object with suggestions and a clause in it."""
    record = json_object(text)
    clause = _text(_field(record, "clause"), "clause")
    suggestions = tuple(
        Suggestion(
            _text(_field(entry, "text"), "suggestions.text"),
            cue=_text(entry.get("cue", ""), "suggestions.cue"),
            reason=_text(entry.get("reason", ""), "suggestions.reason"),
        )
        for entry in _records(record, "suggestions")
    )
    return RefineAnswer(suggestions, clause)


def json_object(text: str) -> dict[str, Any]:
    """The first complete JSON object in a text.

    Raises: ScorerAnswerError: there is none.
    """
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            record, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        if isinstance(record, dict):
            return record
    raise ScorerAnswerError(
        f"The scorer answered {text[:80]!r}, which holds no JSON object. "
        "Use the quick reading, or a model that follows the prompt."
    )


def _field(record: dict[str, Any], name: str) -> Any:
    if name not in record:
        raise ScorerAnswerError(
            f"The scorer's answer has no {name!r}, only {list(record)}. "
            "Ask again, or use a model that follows the prompt."
        )
    return record[name]


def _entries(record: dict[str, Any], name: str) -> list[Any]:
    value = _field(record, name)
    if not isinstance(value, list):
        raise ScorerAnswerError(f"The scorer answered {value!r} for {name}, not a list. Ask again.")
    return value


def _records(record: dict[str, Any], name: str) -> list[dict[str, Any]]:
    entries = _entries(record, name)
    for entry in entries:
        if not isinstance(entry, dict):
            raise ScorerAnswerError(
                f"The scorer answered {entry!r} in {name}, not an object. Ask again."
            )
    return entries


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ScorerAnswerError(f"The scorer answered {value!r} for {name}, not text. Ask again.")
    return value.strip()


def _digit(record: dict[str, Any], name: str) -> int:
    value = _field(record, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= NUM_DIGITS:
        raise ScorerAnswerError(
            f"The scorer answered {value!r} for {name}, not a whole number from 1 to 9. "
            "Use the quick reading, or a model that follows the prompt."
        )
    return value
