"""Answers that are a rating, in every form that is promised to be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from .ambiguous import digit

APART = (
    ", ", ",", " ", ";", "; ", "\uff0c", "\n", ",\n", "\n\n", " , ", "  ", "，", "、", "；", "\r\n",
)  # fmt: skip
NAMES = (
    ("Valence", "Arousal"),
    ("valence", "arousal"),
    ("VALENCE", "AROUSAL"),
    ("vAlence", "AROusal"),
)
COLONS = (
    ": ", ":", " ", " = ", "=", "：",
)  # fmt: skip
APART_NAMED = (", ", "\n", "; ", ",", "\n\n", " ", ",\n")
THOUGHTS = (
    "<think></think>", "<think>\n\n</think>\n\n", "<think>1 or 2, {\"valence\": 1}</think>",
    "so 9 of 9</think>\n", "<think>On a scale of 1-9</think>",
    "<think>a</think><think>b 4, 5</think> ",
)  # fmt: skip
FENCES = (
    "{}", "```json\n{}\n```", "```\n{}\n```", "Here it is:\n```json\n{}\n```",
    "```JSON\n{}\n```", "\n{}\n",
)  # fmt: skip


def plain(chance: Random) -> tuple[tuple[int, int], str]:
    """The rating and the text of an answer of two digits."""
    first, second = digit(chance), digit(chance)
    apart = chance.choice(APART)
    text = f"{first}{apart}{second}"
    if chance.random() < 0.5:
        colon, bold = chance.choice(COLONS), chance.choice(("{}{} ", "**{}{}** "))
        if bold[0] != "*" or not colon.strip():
            bold = "{}{}"
        named = [bold.format(name, colon) for name in chance.choice(NAMES)]
        text = f"{named[0]}{first}{chance.choice(APART_NAMED)}{named[1]}{second}"
        text += chance.choice(("", "", "."))
    return (int(first), int(second)), _wrapped(chance, text)


def _wrapped(chance: Random, text: str) -> str:
    wraps: tuple[Callable[[str], str], ...] = (
        lambda t: t,
        lambda t: t if "**" in t else f"**{t}**",
        lambda t: f"<|begin_of_box|>{t}<|end_of_box|>",
        lambda t: f"<|begin_of_box|>\n{t}\n<|end_of_box|>",
        lambda t: chance.choice(THOUGHTS) + t,
        lambda t: chance.choice((" ", "\n", "\n\n", "\t")) + t + chance.choice((" ", "\n", "")),
        lambda t: f"<answer>{t}</answer>",
    )
    return chance.choice(wraps)(text)


def plain_json(chance: Random) -> tuple[tuple[int, int], str]:
    """The rating and the text of a reasoned answer: fenced, in other case, encoded twice."""
    first, second = digit(chance), digit(chance)
    v, a = chance.choice(NAMES)
    quoted = chance.random() < 0.2
    record = {
        "rationale": chance.choice(
            ("calm sea", "7 of 9 would run, -3 at night", 'a "1-9" sign', "")
        ),
        "words": ["calm"],
        "scale": chance.choice(("1-9", "1 to 9")),
        v: first if quoted else int(first),
        a: second if quoted else int(second),
    }
    text = json.dumps(record, indent=chance.choice((None, 2)))
    twice = chance.random() < 0.2
    text = json.dumps(text) if twice else chance.choice(FENCES).format(text)
    if chance.random() < 0.3:
        text = chance.choice(THOUGHTS) + text
    return (int(first), int(second)), text
