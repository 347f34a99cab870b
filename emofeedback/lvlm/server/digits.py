"""Ratings out of a reply: from log-probabilities, or from written digits."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch

from ...errors import ScorerAnswerError
from ...records.emotion import from_scale
from ..answers import shortened
from ..ratings import plain_rating, split_thought
from ..readout import DIGITS, expected_digits
from .replies import Reply, Token

WHOLE_SPREAD = 0.75
"""Of a rating known only as a whole digit: one step of the 1..9 scale."""
UNLIKELY = -30.0
"""Log-probability of a digit that the server does not list among the likeliest tokens."""
LEAST_SHARE = 0.5
"""Of the probability that lies on digits where one was written. Below it the model would rather
say something else there, and an average over digits is not what it means."""
_CERTAIN = 0.99
"""From here on a digit may stand alone in the list; else the server keeps its neighbours back."""
_YES_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Digits:
    """A rating as a server wrote it.

    Args:
        valence, arousal: the written digits, 1..9.
        text: the answer.
        logits: [2][9], log-probabilities of the nine digits at both places; None where unknown.
    """

    valence: int
    arousal: int
    text: str
    logits: list[list[float]] | None

    def whole(self) -> list[tuple[float, float]]:
        """Valence and arousal as written, each with its spread, in scale points."""
        return [(from_scale(one, "sam9"), WHOLE_SPREAD) for one in (self.valence, self.arousal)]

    def expected(self) -> list[tuple[float, float]]:
        """Valence and arousal as the mean over digits, each with its spread, in scale points."""
        axes = torch.stack(expected_digits(torch.tensor(self.logits)), -1).tolist()
        return [(mean, spread) for mean, spread in axes]


def read_digits(reply: Reply, name: str, *, adjoining: bool = False) -> Digits:
    """A rating out of a reply.

    Args:
        name: how messages call the scorer.
        adjoining: "57" is two digits, as for a model that was taught so; else it is a number on
            another scale. Such a model does not know how to stop.
    Raises: ScorerAnswerError: the answer is not two digits from 1 to 9 and nothing else, is not
        finished, or too little of the probability lies on digits.
    """
    found = plain_rating(reply.text, adjoining=adjoining)
    if not reply.text.strip() and reply.thought:
        raise _unreadable(name, reply.thought, "and was still thinking when it ended")
    if reply.unfinished and not (adjoining and reply.cut and found):
        raise _unreadable(name, reply.text, reply.unfinished)
    if found is None:
        raise _unreadable(name, reply.text, "instead of two digits from 1 to 9")
    listed = digit_logits(reply.written)
    if listed is not None and listed[1] < LEAST_SHARE:
        share = f"with only {listed[1]:.0%} of the probability on digits"
        raise _unreadable(name, reply.text, share)
    return Digits(*found, reply.text, None if listed is None else listed[0])


def digit_logits(written: tuple[Token, ...]) -> tuple[list[list[float]], float] | None:
    """Log-probabilities of the nine digits at both places, and the smaller share of digits.

    Args: written: the tokens of an answer that was read as a rating.
    Returns: [2][9] and 0..1; None where they cannot be read: none known, or digits merged in one.
    """
    digits = [token for token in written if any(character.isdigit() for character in token.text)]
    if len(digits) != 2 or any(_plain(token.text) not in DIGITS for token in digits):
        return None
    read = [_listed(token, DIGITS) for token in digits]
    shares = [sum(map(math.exp, axis)) for axis in read]
    for axis, share in zip(read, shares, strict=True):
        alone = sum(value > UNLIKELY for value in axis) < 2
        if share > 1.05 or share == 0 or (alone and share < _CERTAIN):
            return None
    return read, min(shares)


def yes_share(reply: Reply) -> float | None:
    """P(yes) against P(no) where the answer begins with either; None where it cannot be read."""
    parts = split_thought(reply.text)
    if parts is None or not (said := _YES_NO.match(parts[1])):
        return None
    first = next((token for token in reply.written if _plain(token.text)), None)
    if first is None or _plain(first.text) != said[1].lower():
        return None
    yes, no = _listed(first, ("yes", "no"))
    if not LEAST_SHARE <= math.exp(yes) + math.exp(no) <= 1.05:
        return None
    return 1 / (1 + math.exp(min(no - yes, 60.0)))


def _unreadable(name: str, text: str, why: str) -> ScorerAnswerError:
    return ScorerAnswerError(
        f"{name} answered {shortened(text)} {why}. Set reading to 'reasoned', or use a model that "
        "follows the prompt."
    )


def _listed(token: Token, labels: tuple[str, ...]) -> list[float]:
    """Summed log-probability of each label over its spellings in the list of likeliest tokens."""
    totals = dict.fromkeys(labels, 0.0)
    for text, logprob in token.options:
        if (label := _plain(text)) in totals:
            totals[label] += math.exp(logprob)
    return [max(math.log(total), UNLIKELY) if total > 0 else UNLIKELY for total in totals.values()]


def _plain(token: str) -> str:
    return token.strip(" \n\t\u2581\u0120\u010a\"',.;*:=").lower()
