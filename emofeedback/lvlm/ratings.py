"""The grammar of a rating in text: two whole digits from 1 to 9, in the order asked, and no more.

A sign, unit, decimal, range, fraction or list number makes another number of a digit, and a scale
named in passing is none at all. So an answer is a rating as a whole or not at all.
"""

from __future__ import annotations

import re

LONGEST = 200
"""Characters of an answer that holds two digits and nothing else."""
_WRAPPED = (
    re.compile(r"<\|begin_of_box\|>(.*)<\|end_of_box\|>", re.DOTALL),
    re.compile(r"<answer>(.*)</answer>", re.DOTALL),
)
_BOLD = re.compile(r"(?<![\w*])\*\*([^*]+)\*\*(?![\w*])")
_SPACE = r"[^\S\n]*"
_APART = rf"(?:{_SPACE}[,;，、；]\s*|[^\S\n]+|{_SPACE}\n\s*)"
_BARE = re.compile(rf"([1-9]){_APART}([1-9])", re.ASCII)
_NAMED = re.compile(
    rf"valence(?:\s*[:：=]\s*|[ ])([1-9]){_APART}arousal(?:\s*[:：=]\s*|[ ])([1-9])\.?",
    re.IGNORECASE | re.ASCII,
)
_ADJOINING = re.compile(r"([1-9])([1-9])", re.ASCII)


def split_thought(text: str) -> tuple[str, str] | None:
    """What was thought aloud and what was answered after it; None where the thought never ends.

    Many chat templates open the thought themselves, so its opening may be missing.
    """
    thought, closing, answer = text.rpartition("</think>")
    if not closing:
        thought, answer = "", text
    if "<think>" in answer.lower():
        return None
    told = thought.replace("<think>", " ").replace("</think>", " ")
    return " ".join(told.split()), answer


def plain_rating(text: str, *, adjoining: bool = False) -> tuple[int, int] | None:
    """Valence and arousal as written, 1..9; None where the text is not a rating as a whole.

    Args: adjoining: "57" is two digits, as for a model that was taught so; else it is a number on
        another scale.
    """
    parts = split_thought(text)
    answer = "" if parts is None else parts[1].strip()
    if len(answer) > LONGEST:
        return None
    for wrapping in _WRAPPED:
        if found := wrapping.fullmatch(answer):
            answer = found[1].strip()
    answer = _BOLD.sub(r"\1", _BOLD.sub(r"\1", answer))
    for form in (_BARE, _NAMED, *((_ADJOINING,) if adjoining else ())):
        if found := form.fullmatch(answer):
            return int(found[1]), int(found[2])
    return None
