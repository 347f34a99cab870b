"""Readings and rewrites out of what a model wrote, however badly: found, repaired, checked.

Models wrap their JSON in talk and fences, forget commas and stop half-way. What can be understood
is read; what cannot raises `ScorerAnswerError` with the answer's beginning. A rating is a whole
digit as it was written: never made up, repaired, moved to another scale or clipped into range.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import MissingDependencyError, ScorerAnswerError
from ..records.reading import (
    Cue,
)
from ..records.refinement import Suggestion
from .base import Written
from .ratings import plain_rating, split_thought

MOST_CHARACTERS = 20_000
"""Of an answer behind its thought; repairing takes time that grows faster than its length."""
MOST_BRACKETS = 400
SHOWN = 120
MAX_ENTRIES = 12
_SCALES = ("", "1-9", "1..9", "1 to 9", "1–9", "sam", "sam9")
_AXES = ("valence", "arousal")
_VALUES = {
    axis: re.compile(
        rf"{axis}[\\\\\"'”]*\s*[:=]([^,;}}\n]*(?:,\s*[^\s\w\"'}}][^,}}\n]*|,\s*\d[^,}}\n]*)?)",
        re.IGNORECASE,
    )
    for axis in _AXES
}
"""What stands behind an axis, up to the next field."""
_WHOLE = re.compile(r"-?\d+", re.ASCII)
_DIGIT = re.compile(r"\s*([\"']?)([1-9])\1\s*\Z", re.ASCII)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ReasonedAnswer:
    """What a model concluded about one picture.

    Args:
        valence, arousal: 1..9, as asked.
        words: emotion words.
        cues: causes, with direction and place where told.
        rationale: its reason in a sentence.
        thought: what it wrote before the answer.
        category: what it named the emotion.
        fields: names of what it answered, in lower case.
    """

    valence: int
    arousal: int
    words: tuple[str, ...] = ()
    cues: tuple[Cue, ...] = ()
    rationale: str = ""
    thought: str = ""
    category: str = ""
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewrite: changes to the picture and the clause that brings them."""

    suggestions: tuple[Suggestion, ...]
    clause: str


def read_reasoned(text: str) -> ReasonedAnswer:
    """A reasoned reading.

    Raises: ScorerAnswerError: no whole numbers from 1 to 9 for both axes; a scale other than 1 to
        9; several answers that differ; an answer that breaks off.
    """
    thought, rest = _split_thought(text)
    records, exact = _records(rest, *_AXES)
    record = records[-1]
    scale = str(record.get("scale", "")).strip().lower()
    if scale not in _SCALES:
        raise _unreadable(text, f"it answers on the scale {scale[:40]!r} instead of 1 to 9")
    if not exact and rest.count("{") > rest.count("}"):
        raise _unreadable(text, "it breaks off before the JSON object ends")
    valence, arousal = (_rating(record, "" if exact else rest, axis) for axis in _AXES)
    if any(str(each[axis]) != str(record[axis]) for each in records for axis in _AXES):
        raise _unreadable(text, "it gives several answers that differ")
    return ReasonedAnswer(
        valence,
        arousal,
        _texts(record.get("words")),
        tuple(_cue(entry) for entry in _entries(record.get("cues"))),
        _text(record.get("rationale")),
        thought,
        _text(record.get("category")),
        frozenset(record),
    )


def read_rating(text: str) -> ReasonedAnswer:
    """A reasoned reading, or two digits and no more: valence, arousal, also as "57".

    Raises: ScorerAnswerError: neither.
    """
    digits = plain_rating(text, adjoining=True)
    return read_reasoned(text) if digits is None else ReasonedAnswer(*digits)


def read_rewrite(text: str) -> Rewrite:
    """A single rewrite; an empty clause takes back what was added.

    Raises: ScorerAnswerError: it names no clause.
    """
    return _rewrite(_record(_split_thought(text)[1], "clause"))


def read_rewrites(text: str) -> tuple[Rewrite, ...]:
    """The rewrites of an answer, one or several.

    Raises: ScorerAnswerError: no clause in it.
    """
    _, rest = _split_thought(text)
    record = _record(rest, "clause", "rewrites", several=False)
    entries = _entries(record.get("rewrites")) if "rewrites" in record else [record]
    found = [_rewrite(entry) for entry in entries if isinstance(entry, Mapping)]
    rewrites = tuple(rewrite for rewrite in found if rewrite.clause)
    if not rewrites:
        raise _unreadable(text, "it holds no clause for the prompt")
    return rewrites


def ask_twice(
    ask: Callable[[str], Written], read: Callable[[str], Answer]
) -> tuple[Answer | None, str, str]:
    """Asks, and asks once more where the answer cannot be read.

    Args:
        ask: takes what was wrong with the last answer ("" at first), returns what the model wrote.
        read: raises ScorerAnswerError for what it cannot read.
    Returns: the answer or None, the last text, and what was wrong with it ("" if nothing).
    """
    text, problem = "", ""
    for _ in range(2):
        written = ask(problem)
        text = written.text
        try:
            if written.unfinished:
                raise _unreadable(text, written.unfinished)
            return read(text), text, ""
        except ScorerAnswerError as error:
            problem = str(error)
    return None, text, problem


def shortened(text: str) -> str:
    """The beginning of a model's text on one line, as messages show it."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= SHOWN else flat[: SHOWN - 1] + "…")


def _unreadable(text: str, why: str) -> ScorerAnswerError:
    return ScorerAnswerError(
        f"The model answered {shortened(text)}: {why}. Use the reading 'expected value', or a "
        "model that follows the prompt."
    )


def _split_thought(text: str) -> tuple[str, str]:
    """What was thought aloud, and the answer behind it.

    Raises: ScorerAnswerError: the thought never ends, or the answer is longer than any.
    """
    parts = split_thought(text)
    if parts is None:
        raise _unreadable(text, "it was still thinking when it ended")
    if len(parts[1]) > MOST_CHARACTERS:
        raise _unreadable(text, f"it has {len(parts[1])} characters, more than an answer needs")
    return parts


def _records(text: str, *keys: str, several: bool = True) -> tuple[list[dict[str, Any]], bool]:
    """The JSON objects in a text that have all of these keys (or one, where not `several`).

    Returns: the objects, and whether they stand there as they are, without a repair.
    Raises: ScorerAnswerError: there is none.
    """
    found = _whole_objects(text)
    start = text.find("{")
    exact = found is not None
    if found is None:
        found = _objects(_repaired(text[start:])) if start >= 0 else []
    wanted = all if several else any
    lowered = [{str(k).strip().lower(): v for k, v in each.items()} for each in found]
    fitting = [record for record in lowered if wanted(key in record for key in keys)]
    if not fitting:
        raise _unreadable(text, f"it holds no JSON object with {' and '.join(keys)}")
    return fitting, exact


def _record(text: str, *keys: str, several: bool = True) -> dict[str, Any]:
    """The last JSON object in a text that has all of these keys (or one, where not `several`)."""
    return _records(text, *keys, several=several)[0][-1]


def _whole_objects(text: str) -> list[dict[str, Any]] | None:
    """Every JSON object of a text; None where one needs a repair."""
    decoder, found, start = json.JSONDecoder(object_pairs_hook=_once), [], text.find("{")
    try:
        if text.strip().startswith('"') and isinstance(inner := json.loads(text), str):
            return _whole_objects(inner) if not inner.strip().startswith('"') else None
        while start >= 0:
            record, end = decoder.raw_decode(text, start)
            found.append(record)
            start = text.find("{", end)
    except (ValueError, RecursionError):
        return None
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises: ValueError: a field stands there twice."""
    if len({key.strip().lower() for key, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _repaired(text: str) -> Any:
    try:
        import json_repair
    except ImportError as error:
        raise MissingDependencyError(
            f"Reading a model's JSON needs json-repair ({error}). Run: pip install json-repair"
        ) from error
    if text.count("{") + text.count("[") > MOST_BRACKETS:
        return None
    try:
        return json_repair.loads(" ".join(text.split()))
    except Exception:  # noqa: BLE001  whatever a repair of hostile text ends in
        return None


def _objects(value: Any) -> list[dict[str, Any]]:
    """The object itself, or those of a list: repairing finds every object of a talkative answer."""
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list):
        return [entry for entry in value if isinstance(entry, dict)]
    return []


def _rating(record: Mapping[str, Any], text: str, axis: str) -> int:
    """A rating as it stands in the text, since a repair may have cut a number out of more.

    Raises: ScorerAnswerError: what stands there, if it is no whole digit from 1 to 9.
    """
    value = record[axis]
    written = [found[1] for found in _VALUES[axis].finditer(text)]
    if text and not written:
        raise _unreadable(text, f"what it answers for {axis} stands behind no colon")
    for each in written or [str(value)]:
        if not (digit := _DIGIT.match(each)) or str(value).strip() != digit[2]:
            told = each.strip(" \n\t\"'")[:40]
            why = (
                "outside the scale from 1 to 9"
                if _WHOLE.fullmatch(told)
                else "not a number from 1 to 9"
            )
            raise _unreadable(text, f"it answers {told!r} for {axis}, {why}")
    return int(str(value))


def _rewrite(record: Mapping[str, Any]) -> Rewrite:
    lowered = {str(key).strip().lower(): value for key, value in record.items()}
    suggestions = tuple(
        Suggestion(
            _text(entry.get("text") or entry.get("cue")),
            cue=_text(entry.get("cue")),
            reason=_text(entry.get("reason")),
        )
        if isinstance(entry, Mapping)
        else Suggestion(_text(entry))
        for entry in _entries(lowered.get("suggestions"))
    )
    told = tuple(suggestion for suggestion in suggestions if suggestion.text)
    return Rewrite(told, _text(lowered.get("clause")))


def _cue(entry: Any) -> Cue:
    if not isinstance(entry, Mapping):
        return Cue(_text(entry))
    where = entry.get("where") or entry.get("bbox_2d")
    return Cue(_text(entry.get("name")), _text(entry.get("direction")), _where(where))


def _where(value: Any) -> str:
    """A place in words, or the four numbers of a box, which some models write as a list."""
    if not isinstance(value, list):
        return _text(value)
    numbers = [each for each in value if isinstance(each, int | float)]
    return str(numbers) if len(numbers) == len(value) == 4 else ""


def _entries(value: Any) -> list[Any]:
    """At most `MAX_ENTRIES` entries; a lone entry counts as a list of one."""
    if value is None or value == "":
        return []
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if entry][:MAX_ENTRIES]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in map(_text, _entries(value)) if text)


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float):
        return ""
    whole = str(value).encode(errors="replace").decode()  # half a character goes into no tokenizer
    return " ".join(whole.split())
