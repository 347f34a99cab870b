"""Ratings out of OpenAI-compatible replies: from log-probabilities, or from written digits."""

from __future__ import annotations

import math
from typing import Any

from ...errors import ScorerAnswerError
from ...records.emotion import from_scale
from ..answers import shortened
from ..ratings import plain_rating
from ..readout import DIGITS

UNLIKELY = -30.0
"""Log-probability of a digit that the server does not list among the likeliest tokens."""


def digit_logits(logprobs: Any) -> list[list[float]] | None:
    """Log-probabilities of the nine digits where the first and the second digit were written.

    Args: logprobs: of a choice, as the client gives it; None where the server gave none.
    Returns: [2][9], or None where they cannot be read: no list, digits merged in one token.
    """
    entries = _behind_thought(getattr(logprobs, "content", None) or [])
    places = [entry for entry in entries if _plain(entry.token) in DIGITS]
    if len(places) != 2 or any(_digits_in(e.token) > 1 for e in entries):
        return None
    read = [_listed(entry, DIGITS) for entry in places]
    return read if all(sum(value > UNLIKELY for value in axis) > 1 for axis in read) else None


def yes_share(logprobs: Any) -> float | None:
    """P(yes) against P(no) at the first token that is either; None where it cannot be read."""
    for entry in getattr(logprobs, "content", None) or []:
        if _plain(entry.token) in ("yes", "no"):
            yes, no = _listed(entry, ("yes", "no"))
            return 1 / (1 + math.exp(min(no - yes, 60.0)))
    return None


def whole_digits(text: str, name: str, *, adjoining: bool = False) -> tuple[float, float]:
    """Valence and arousal in scale points from two written digits.

    Args: adjoining: "57" is two digits, as for a model that was taught so; else it is a number on
        another scale.
    Raises: ScorerAnswerError: the answer is not two digits from 1 to 9 and nothing else.
    """
    found = plain_rating(text, adjoining=adjoining)
    if found is None:
        raise ScorerAnswerError(
            f"{name} answered {shortened(text)} instead of two digits from 1 to 9. Set reading to "
            "'reasoned', or use a model that follows the prompt."
        )
    return from_scale(found[0], "sam9"), from_scale(found[1], "sam9")


def _behind_thought(entries: list[Any]) -> list[Any]:
    """The tokens of the answer: digits thought of are none."""
    ends = [at for at, entry in enumerate(entries) if "</think>" in str(entry.token)]
    return entries[ends[-1] + 1 :] if ends else entries


def _listed(entry: Any, labels: tuple[str, ...]) -> list[float]:
    """Summed log-probability of each label over its spellings in the list of likeliest tokens."""
    totals = dict.fromkeys(labels, 0.0)
    for option in {o.token: o for o in (entry, *(entry.top_logprobs or []))}.values():
        label = _plain(option.token)
        if (
            label in totals
            and isinstance(option.logprob, int | float)
            and math.isfinite(option.logprob)
        ):
            totals[label] += math.exp(min(option.logprob, 0.0))
    return [max(math.log(total), UNLIKELY) if total > 0 else UNLIKELY for total in totals.values()]


def _plain(token: str) -> str:
    return token.strip(" \n\t▁Ġ\"',.;").lower()


def _digits_in(token: str) -> int:
    return sum(character.isdigit() for character in token)
