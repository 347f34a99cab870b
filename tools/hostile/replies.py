"""Replies of a server, damaged in their values, their shape or their bytes."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable
from random import Random
from typing import Any

from emofeedback.errors import ScorerAnswerError
from emofeedback.lvlm.answers import read_reasoned
from emofeedback.lvlm.server.digits import read_digits, yes_share
from emofeedback.lvlm.server.replies import ErrorInReplyError, NoReplyError, Reply, read_body

from .ambiguous import ambiguous
from .answers import REWRITES, fault_of
from .plain import plain, plain_json

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 10**30, -0.5, 1e308, math.nan, math.inf, -math.inf, "", "7, 3",
    "7", "length", "stop", "error", "content_filter", "\ud800", "\x00", "9" * 5000, [], {}, [None],
    [[]], {"text": "7, 3"}, ["7", ", ", "3"], [{"type": "text", "text": "7, 3"}], {"error": None},
    {"error": {"message": None, "code": 429}}, {"code": "502"}, -9999, 5e-324, "429", [1, 2, 300],
    {"type": "text", "text": None}, [{"type": "thinking", "thinking": "1, 9"}], "</think>1, 9",
)  # fmt: skip
KEYS = ("error", "content", "text", "token", "logprob", "top_logprobs", "bytes", "logprobs",
        "message", "reasoning_content", "refusal", "choices", "finish_reason",
        "tokens")  # fmt: skip


def whole_reply(chance: Random) -> dict[str, Any]:
    """A reply with nothing wrong in its shape; its text may be anything."""
    texts: tuple[Callable[[], str], ...] = (
        lambda: plain(chance)[1],
        lambda: plain(chance)[1],
        lambda: ambiguous(chance)[1],
        lambda: plain_json(chance)[1],
        lambda: chance.choice(("yes", "No.", "Yes, it does", "no boat, yes", REWRITES)),
    )
    text = chance.choice(texts)()
    message: dict[str, Any] = {"role": "assistant", "content": text}
    match chance.randint(0, 5):
        case 0:
            message = {"content": None, chance.choice(("reasoning_content", "reasoning")): text}
        case 1:
            thought = {"type": "thinking", "thinking": [{"type": "text", "text": "1, 9"}]}
            message["content"] = [thought, {"type": "text", "text": text}]
        case 2:
            message["reasoning_content"] = "1, 9 or so"
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": chance.choice(("stop", "stop", "length", None)),
        "logprobs": chance.choice((_content, _content, _three_lists, lambda *_: None))(
            text, chance
        ),
    }
    reply = {"id": "x", "choices": [choice], "usage": {"total_tokens": 93}}
    if chance.random() < 0.1:
        reply["error"] = {"message": "busy", "code": chance.choice((429, 502, "rate", None))}
    return reply


def _pieces(text: str) -> list[str]:
    return re.findall(r"\d|\w+|\s+|[^\w\s]", text)[:300]


def _options(piece: str, chance: Random) -> dict[str, float]:
    if not piece.isdigit():
        return {piece: -0.01}
    others = chance.sample(range(1, 10), 3)
    return {piece: -0.4, **{f" {one}": -2.5 - one / 9 for one in others}, "7.5": -6.0}


def _content(text: str, chance: Random) -> dict[str, Any]:
    entries = []
    for piece in (*(("1", "</think>") if chance.random() < 0.1 else ()), *_pieces(text)):
        listed = [{"token": t, "logprob": p} for t, p in _options(piece, chance).items()]
        told = list(piece.encode(errors="replace")) if chance.random() < 0.5 else None
        entries.append({**listed[0], "bytes": told, "top_logprobs": listed})
    return {"content": entries}


def _three_lists(text: str, chance: Random) -> dict[str, Any]:
    options = [_options(piece, chance) for piece in _pieces(text)]
    return {
        "tokens": _pieces(text),
        "token_logprobs": [next(iter(each.values())) for each in options],
        "top_logprobs": options,
    }


def mutated(reply: dict[str, Any], chance: Random) -> bytes:
    """The body of a reply after one to four changes."""
    reply = copy.deepcopy(reply)
    for _ in range(chance.randint(1, 4)):
        reply = reply or {"choices": None}
        holder, key = chance.choice(_places(reply))
        match chance.choice(("value", "value", "gone", "added", "twice", "moved")):
            case "value":
                holder[key] = copy.deepcopy(chance.choice(VALUES))
            case "gone":
                del holder[key]
            case "added" if isinstance(holder, dict):
                holder[chance.choice(KEYS)] = copy.deepcopy(chance.choice(VALUES))
            case "twice" if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case _:
                holder[key] = [copy.deepcopy(holder[key])]
    body = json.dumps(reply).encode()
    if chance.random() < 0.2:
        at = chance.randint(0, len(body))
        spoil = (body[:at], body[:at] + bytes([chance.randint(0, 255)]) + body[at + 1 :],
                 b"[" * chance.choice((10, 100_000)) + body, body + body, body[at:])  # fmt: skip
        body = chance.choice(spoil)
    return body


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) in a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found = []
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += _places(value[key])
    return found


def fault_of_reply(body: bytes) -> str:
    """What is wrong with how a reply is read as a rating, a yes or no and an explanation."""
    try:
        reply = read_body(body.decode(errors="replace"))
    except (ErrorInReplyError, NoReplyError):
        return ""
    except Exception as error:  # noqa: BLE001  what is counted here
        return f"read_body: {type(error).__name__}: {str(error)[:80]}"
    try:
        shown = yes_share(reply)
        if shown is not None and not 0 <= shown <= 1:
            return f"content {shown}"
    except Exception as error:  # noqa: BLE001  what is counted here
        return f"yes_share: {type(error).__name__}: {str(error)[:80]}"
    return _fault_of_digits(reply) or fault_of("read_reasoned", read_reasoned, reply.text)


def _fault_of_digits(reply: Reply) -> str:
    try:
        digits = read_digits(reply, "m")
        axes = digits.expected() if digits.logits else digits.whole()
    except ScorerAnswerError as error:
        return "" if str(error).isprintable() else "a message that is not shown"
    except Exception as error:  # noqa: BLE001  what is counted here
        return f"read_digits: {type(error).__name__}: {str(error)[:80]}"
    answer = reply.text.rpartition("</think>")[2]
    if [int(one) for one in re.findall(r"\d", answer)] != [digits.valence, digits.arousal]:
        return f"digits invented in {answer[:40]!r}"
    places = [token for token in reply.written if any(map(str.isdigit, token.text))]
    for axis, (mean, spread) in enumerate(axes):
        known = {(digits.valence, digits.arousal)[axis]}
        if digits.logits:
            options = [text for text, _ in places[axis].options]
            known |= {int(one) for text in options for one in re.findall(r"[1-9]", text)}
        low, high = (0.75 * (one - 5) for one in (min(known), max(known)))
        if not (low - 1e-3 <= mean <= high + 1e-3 and 0 <= spread < 6):
            return f"a mean of {mean} that no listed digit gives"
    return ""
