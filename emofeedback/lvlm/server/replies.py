"""The wire: any JSON value that a server sends, as a reply of a chat model or a named fault.

Nothing here trusts a shape. A field that is missing, null or of another kind is as good as absent;
what is left is read, or refused with what stood there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...records.files import parsed
from ..base import CUT_OFF
from ..ratings import LONGEST, split_thought

MOST_TOKENS = 10**9
_SPECIAL = re.compile(r"<\|[^<>|]*\|>|</?s>|<end_of_turn>|<eos>")
_ROUNDED = 0.01
"""A log-probability may lie above 0 by this much, and by nothing when it is not a number."""
_BLANK = re.compile(r"[\s\u2581\u0120\u010a]+")
"""Spaces, also as tokenizers write them: \u2581, \u0120, and \u010a for a line's end."""


class ErrorInReplyError(Exception):
    """A reply that is an error, whatever its status says.

    Args:
        status: 400 to 599, 0 where it names none.
        told: what it says.
    """

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status, self.told = status, told


class NoReplyError(Exception):
    """JSON that is no reply of a chat model."""


@dataclass(frozen=True, slots=True)
class Token:
    """A written token.

    Args:
        text: as the server writes it.
        options: the likeliest tokens here with their log-probabilities, itself among them.
    """

    text: str
    options: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a chat model answered.

    Args:
        text: the answer, a thought in it included where the server does not part them.
        thought: what it thought aloud in a field of its own.
        ended: why it ended: "stop", "length", "content_filter", ...; "" where it does not say.
        written: the tokens of the answer behind its thought; empty where they are not known.
        tokens: read and written.
    """

    text: str
    thought: str = ""
    ended: str = ""
    written: tuple[Token, ...] = ()
    tokens: int = 0

    @property
    def cut(self) -> bool:
        """It ended at its limit, not at its end."""
        return self.ended in ("length", "max_tokens")

    @property
    def unfinished(self) -> str:
        """Why it is no answer, "" where it may be one."""
        if self.cut:
            return CUT_OFF
        return "and was stopped by the server's filter" if self.ended == "content_filter" else ""


def read_body(text: str) -> Reply:
    """A reply out of the body of a response.

    Raises: ErrorInReplyError: it is an error. NoReplyError: it is something else.
    """
    try:
        value = parsed(text)
    except ValueError:
        raise NoReplyError from None
    return read_reply(value)


def read_reply(value: Any) -> Reply:
    """A reply out of any JSON value.

    Raises: ErrorInReplyError: it is an error. NoReplyError: it is something else.
    """
    _raise_error_in(value)
    choices = _mapping(value).get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    _raise_error_in(choice)
    message = _mapping(choice).get("message")
    if not isinstance(message, dict):
        raise NoReplyError
    told, thought = _said(message.get("content"))
    aside = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    ended = _text(_mapping(choice).get("finish_reason"))
    usage = _mapping(_mapping(value).get("usage")).get("total_tokens")
    tokens = usage if type(usage) is int and 0 <= usage < MOST_TOKENS else 0
    if ended == "error":
        raise ErrorInReplyError(0, told or aside or "finish_reason: error")
    if not told.strip():
        if refused := _text(message.get("refusal")):
            return Reply(refused, aside, "content_filter", tokens=tokens)
        if _is_object(aside):
            return Reply(aside, "", ended, tokens=tokens)
    written = _of_answer(_tokens(_mapping(choice).get("logprobs")), told)
    return Reply(told, thought or aside, ended, written, tokens)


def _raise_error_in(value: Any) -> None:
    error = _mapping(value).get("error")
    if not error:
        return
    told = _mapping(error)
    codes = (told.get("code"), told.get("status"), _mapping(value).get("status"))
    status = next((c for c in map(_whole, codes) if 400 <= c <= 599), 0)
    message = told.get("message")
    raise ErrorInReplyError(status, _text(message) or _as_text(error))


def _said(content: Any) -> tuple[str, str]:
    """What a content says and what it thinks: a string, or a list of parts."""
    if not isinstance(content, list):
        return _text(content), ""
    said, thought = [], []
    for part in content:
        kind = _mapping(part).get("type")
        if isinstance(part, str) or kind in ("text", "output_text"):
            said.append(_text(part) or _text(_mapping(part).get("text")))
        elif kind in ("thinking", "reasoning"):
            thought.append(_text(part.get(kind)) or _text(part.get("text")))
    return "".join(said), " ".join(thought)


def _tokens(logprobs: Any) -> list[dict[str, Any]]:
    """The entries of log-probabilities; the old style has lists of tokens, numbers and options."""
    entries = _mapping(logprobs).get("content")
    if isinstance(entries, list):
        return [_mapping(entry) for entry in entries]
    texts, numbers, options = (
        _list(_mapping(logprobs).get(name)) for name in ("tokens", "token_logprobs", "top_logprobs")
    )
    if not len(texts) == len(numbers) == len(options):
        return []
    return [
        {
            "token": text,
            "logprob": number,
            "top_logprobs": [{"token": t, "logprob": p} for t, p in _mapping(listed).items()],
        }
        for text, number, listed in zip(texts, numbers, options, strict=True)
    ]


def _of_answer(entries: list[dict[str, Any]], text: str) -> tuple[Token, ...]:
    """The last tokens that together are the answer: what was thought before is none of it.

    Empty where no tokens are, or where they say something else than the text.
    """
    parts = split_thought(text)
    wanted = "" if parts is None else _essence(parts[1])
    if not wanted or len(wanted) > LONGEST:
        return ()
    raw = b""
    for count, entry in enumerate(reversed(entries), 1):
        raw = _bytes(entry) + raw
        if len(raw) > 8 * LONGEST:
            return ()
        if _essence(raw.decode(errors="replace")) == wanted:
            return tuple(map(_token, entries[len(entries) - count :]))
    return ()


def _token(entry: Mapping[str, Any]) -> Token:
    listed = [entry, *map(_mapping, _list(entry.get("top_logprobs")))]
    options: dict[str, float] = {}
    for option in listed:
        number = option.get("logprob")
        if isinstance(number, int | float) and number is not True and number <= _ROUNDED:
            likely = min(max(float(number), -1e9), 0.0)
            options.setdefault(_text(option.get("token")), likely)
    return Token(_text(entry.get("token")), tuple(options.items()))


def _bytes(entry: Mapping[str, Any]) -> bytes:
    """A token's own bytes: half a character is no text."""
    told = entry.get("bytes")
    if isinstance(told, list) and all(type(one) is int and 0 <= one <= 255 for one in told):
        return bytes(told)
    return _text(entry.get("token")).encode(errors="replace")


def _essence(text: str) -> str:
    return _BLANK.sub("", _SPECIAL.sub("", text))


def _is_object(text: str) -> bool:
    try:
        return isinstance(parsed(text), dict)
    except ValueError:
        return False


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """A string that can be written anywhere: halves of characters are replaced."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _whole(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\d{3}", value, re.ASCII):
        return int(value)
    return value if type(value) is int else 0


def _as_text(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except RecursionError:
        return "deeply nested JSON"
