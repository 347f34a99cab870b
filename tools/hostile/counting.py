"""How often each reader fails at generated answers and replies."""

from __future__ import annotations

import re
import sys
from collections import Counter
from random import Random

from emofeedback.errors import ScorerAnswerError
from emofeedback.lvlm.answers import read_rating
from emofeedback.lvlm.ratings import plain_rating

from .ambiguous import ambiguous, ambiguous_json
from .answers import damaged, fault_of, readers, whole
from .plain import plain, plain_json
from .replies import fault_of_reply, mutated, whole_reply

Count = tuple[int, Counter[str]]
_TAUGHT = re.compile(r"(?<!\d)[1-9][1-9](?!\d)", re.ASCII)
"""Two digits that adjoin are a rating to the reader of models that were taught so."""


def ambiguous_accepted(count: int, chance: Random) -> Count:
    """Ratings that are none, to the reader of digits, of taught answers and of reasoned ones."""
    faults = Counter[str]()
    for number in range(count):
        _progress(number, count)
        if number % 2:
            kind, text = "JSON", ambiguous_json(chance)
        else:
            kind, text = ambiguous(chance)
        if plain_rating(text):
            faults[f"{kind}: {text[:80]!r} by plain_rating"] += 1
        if not _TAUGHT.search(text) and _read(text):
            faults[f"{kind}: {text[:80]!r} by read_rating"] += 1
    return count, faults


def plain_refused(count: int, chance: Random) -> Count:
    """Ratings in the promised forms, refused or read as others."""
    faults = Counter[str]()
    for number in range(count):
        _progress(number, count)
        if number % 2:
            pair, text = plain_json(chance)
            found = _read(text)
        else:
            pair, text = plain(chance)
            found = plain_rating(text)
        if found != pair:
            faults[f"{text[:80]!r} as {found}"] += 1
    return count, faults


def answers_wrong(count: int, chance: Random) -> Count:
    """Damaged written answers, each to every reader."""
    faults = Counter[str]()
    for number in range(count):
        _progress(number, count)
        text = damaged(whole(chance), chance)
        found = (fault_of(name, read, text) for name, read in readers().items())
        faults.update(f"{fault} from {text[:120]!r}" for fault in found if fault)
    return count, faults


def replies_wrong(count: int, chance: Random) -> Count:
    """Damaged replies to the reader of replies."""
    faults = Counter[str]()
    for number in range(count):
        _progress(number, count)
        body = mutated(whole_reply(chance), chance)
        if fault := fault_of_reply(body):
            faults[f"{fault} from {body[:300]!r}"] += 1
    return count, faults


def _read(text: str) -> tuple[int, int] | None:
    try:
        found = read_rating(text)
    except ScorerAnswerError:
        return None
    return found.valence, found.arousal


def _progress(number: int, count: int) -> None:
    if sys.stderr.isatty() and number % 500 == 0:
        sys.stderr.write(f"\r{number} of {count}")
