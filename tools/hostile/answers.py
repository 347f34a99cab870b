"""Written answers, damaged: every reader gives what stands there, or the typed failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from emofeedback.errors import ScorerAnswerError
from emofeedback.lvlm.answers import read_rating, read_reasoned, read_rewrite, read_rewrites
from emofeedback.lvlm.ratings import plain_rating, split_thought
from emofeedback.lvlm.taught_answers import write_reasoned, write_rewrite
from emofeedback.records.reading import Cue
from emofeedback.records.refinement import Suggestion

from .ambiguous import ambiguous, ambiguous_json
from .plain import plain, plain_json

SCRAPS = (
    "{", "}", "[", "]", '"', "'", ",", ":", "\n", "```json", "```", "<think>", "</think>", "null",
    "<answer>", "</answer>", "NaN", "-Infinity", "1e999", "-3", "0", "10", "true", "7/10", "\uff19",
    "\\", "\\u", "\\ud800", "\ud800", "\x00", "\u2028", "\ufeff", "\u202e", "Sorry, ", "valence",
    '"arousal": 9', '{"valence": 1, "arousal": 1}', "//", "/*", "*/", "#", "None", "5", " 5", "5,",
    ".5", "%", "–", '""', "[[[[", "{{{{", "<|im_end|>", "9" * 5000, "e5", "\r", "\t", '"clause":',
    '"rewrites": [', "“", "”", "×",
)  # fmt: skip
REWRITES = '{"rewrites": [{"suggestions": ["rain"], "clause": "a"}, {"clause": "in \\"5\\" rain"}]}'


def whole(chance: Random) -> str:
    """An answer to one of the questions, undamaged."""
    words = ["calm", "7 birds, not 3", "a {brace}", 'a "quote"', "", "ä・é"]
    cues = [Cue(chance.choice(words), "lowers valence")] * chance.randint(0, 2)
    change = Suggestion(chance.choice(words), cue="rain", reason="it is 5 to 9")
    forms: tuple[Callable[[], str], ...] = (
        lambda: write_reasoned((chance.randint(1, 9), chance.randint(1, 9)), words[:2], cues),
        lambda: write_rewrite([change] * chance.randint(0, 2), chance.choice(words), ["sky"]),
        lambda: REWRITES,
        lambda: plain_json(chance)[1],
        lambda: plain(chance)[1],
        lambda: ambiguous_json(chance),
        lambda: ambiguous(chance)[1],
    )  # fmt: skip
    return chance.choice(forms)()


def damaged(text: str, chance: Random) -> str:
    """Cut, spiced with scraps, robbed of characters, swapped or repeated, once to five times."""
    for _ in range(chance.randint(1, 5)):
        at = chance.randint(0, len(text))
        match chance.choice(("cut", "scrap", "scrap", "rob", "twice", "swap", "head")):
            case "cut":
                text = text[:at]
            case "head":
                text = text[at:]
            case "scrap":
                text = text[:at] + chance.choice(SCRAPS) + text[at:]
            case "rob":
                text = text[:at] + text[at + chance.randint(1, 3) :]
            case "twice":
                text = text[:8000] + text[at : at + 8000]
            case "swap":
                text = (
                    text[:at]
                    + chr(chance.choice((chance.randint(0, 127), chance.randint(0, 0x10FFFF))))
                    + text[at:]
                )
    return text


def stands_there(text: str, name: str, pair: Sequence[int]) -> bool:
    """Both numbers stand in the text: as all of its digits, or as whole values of their fields."""
    if name == "plain_rating":
        return re.findall(r"\d", text.rpartition("</think>")[2]) == [str(one) for one in pair]
    flat = text.replace("\\n", "\n").replace("\\", "")
    return all(
        re.search(rf"{axis}[^\w{{}}]{{1,20}}{one}[\"' ]*(?:[,}};\s]|$)", flat, re.IGNORECASE)
        for axis, one in zip(("valence", "arousal"), pair, strict=True)
    )


def readers() -> dict[str, Callable[[str], Any]]:
    """Each way of reading a model's words, by name."""
    return {
        "split_thought": split_thought,
        "plain_rating": plain_rating,
        "plain_rating, adjoining": lambda text: plain_rating(text, adjoining=True),
        "read_rating": read_rating,
        "read_reasoned": read_reasoned,
        "read_rewrite": read_rewrite,
        "read_rewrites": read_rewrites,
    }


def fault_of(name: str, read: Callable[[str], Any], text: str) -> str:
    """What is wrong with how a text was read: a raw exception, a number made up; "" if nothing."""
    try:
        found = read(text)
    except ScorerAnswerError as error:
        return "" if str(error).isprintable() else f"{name}: a message that is not shown"
    except Exception as error:  # noqa: BLE001  what is counted here
        return f"{name}: {type(error).__name__}: {str(error)[:80]}"
    if name in ("plain_rating", "read_reasoned") and found is not None:
        pair = found if isinstance(found, tuple) else (found.valence, found.arousal)
        if not all(1 <= one <= 9 for one in pair) or not stands_there(text, name, pair):
            return f"{name}: {pair} invented"
    return ""
