"""Where in a picture: a scorer's words or numbers as a box."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MOST_CHARACTERS = 200
_NUMBERS = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(\s*%)?")
_ROWS = {
    "upper": 0, "top": 0, "above": 0,
    "lower": 2, "bottom": 2, "below": 2, "foreground": 2,
}  # fmt: skip
_COLUMNS = {"left": 0, "right": 2}
_MIDDLE = ("centre", "center", "central", "middle")
_WHOLE = ("whole", "entire", "everywhere", "overall", "throughout")


@dataclass(frozen=True, slots=True)
class Place:
    """A box in a picture: fractions of its width and height from the upper left, each in 0..1."""

    left: float
    top: float
    right: float
    bottom: float


def place_of(where: str) -> Place | None:
    """The box that a cue's `where` names, None where it names none.

    Understood are English words for thirds of the picture ("upper left", "in the centre",
    "bottom") and for all of it, and four numbers left, top, right, bottom: fractions, percent, or
    thousandths as current models write them. Pixels cannot be told from thousandths and are taken
    for them; a box that leaves the picture is none.
    """
    text = where[:MOST_CHARACTERS].lower()
    numbers = list(_NUMBERS.finditer(text))
    if len(numbers) == 4:
        return _box(
            [float(found[0].rstrip(" %")) for found in numbers],
            percent=any(found[1] for found in numbers),
        )
    return _thirds(set(re.findall(r"[a-z]+", text)))


def _box(numbers: list[float], *, percent: bool) -> Place | None:
    unit = 100 if percent else 1 if max(numbers) <= 1 else 1000
    left, top, right, bottom = (number / unit for number in numbers)
    inside = 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    return Place(left, top, right, bottom) if inside and math.isfinite(sum(numbers)) else None


def _thirds(words: set[str]) -> Place | None:
    if words & set(_WHOLE):
        return Place(0, 0, 1, 1)
    rows = {_ROWS[word] for word in words & set(_ROWS)}
    columns = {_COLUMNS[word] for word in words & set(_COLUMNS)}
    if not rows | columns:
        return Place(1 / 3, 1 / 3, 2 / 3, 2 / 3) if words & set(_MIDDLE) else None
    middle = bool(words & set(_MIDDLE))
    top, bottom = _span(rows, middle)
    left, right = _span(columns, middle)
    return Place(left, top, right, bottom)


def _span(thirds: set[int], middle: bool) -> tuple[float, float]:
    """One axis: the named thirds, else the middle third where it is named, else all of it."""
    found = thirds or ({1} if middle else {0, 2})
    return min(found) / 3, (max(found) + 1) / 3
