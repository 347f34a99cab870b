"""What a question wishes for beyond an answer, and how it is changed where a server refuses that.

Servers differ in the settings they take, in their names and in their limits, and say so in words of
their own. So a refusal's words only tell what to try first; that the same question then succeeds
is what settles it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

WISHES = (
    "reasoning_effort",
    "chat_template_kwargs",
    "seed",
    "logprobs",
    "response_format",
    "temperature",
)
"""Settings that a server may refuse, the least missed first."""
_WORDS = {
    "reasoning_effort": ("reasoning", "effort"),
    "chat_template_kwargs": ("chat_template", "enable_thinking"),
    "seed": ("seed",),
    "logprobs": ("logprob",),
    "response_format": ("response_format", "json", "schema", "structured", "grammar", "guided"),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_completion_tokens", "max_new_tokens", "context", "length"),
}
_OTHER_NAMES = ("max_completion_tokens", "max_new_tokens", "max_output_tokens", "num_predict")
_NUMBER = re.compile(r"(?<!\w)(?<!\d\.)\d{1,7}(?!\w)(?!\.\d)", re.ASCII)
_READ = 4000
"""Characters of a refusal; some servers repeat the whole question in it, picture and all."""
_USUAL_MOST = 5
"""Log-probabilities that servers with a limit give, where the refusal names none."""
_LEAST_ROOM = 64
"""Tokens up to which a server's least length of answers is met."""
_EFFORTS = ("minimal", "low")


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to one setting of a question.

    Args:
        key: the setting, as we call it.
        dropped: it is left out.
        name: how this server calls it, "" for the same.
        most, least: limits of its number.
        value: what stands there instead, None for what we wish.
    """

    key: str
    dropped: bool = False
    name: str = ""
    most: int | None = None
    least: int = 0
    value: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """All that is changed in questions to one server, a change for each setting."""

    changes: tuple[Change, ...] = ()

    def having(self, key: str, **change: Any) -> Settled:
        """The same with one more change, on top of what was settled for that setting."""
        others = tuple(each for each in self.changes if each.key != key)
        (known,) = [each for each in self.changes if each.key == key] or [Change(key)]
        return Settled((*others, replace(known, **change)))

    def keeping(self, key: str) -> Settled:
        """The same with nothing done to this setting."""
        return Settled(tuple(each for each in self.changes if each.key != key))


def fitted(body: Mapping[str, Any], settled: Settled) -> dict[str, Any]:
    """A question as a server takes it."""
    sent = dict(body)
    for change in settled.changes:
        key = "top_logprobs" if change.key == "logprobs" and change.most is not None else change.key
        if change.dropped:
            for gone in (change.key, "top_logprobs") if change.key == "logprobs" else (change.key,):
                sent.pop(gone, None)
        elif key in sent:
            value = sent.pop(key)
            if isinstance(value, int) and not isinstance(value, bool):
                value = max(value if change.most is None else min(value, change.most), change.least)
            if change.value:
                value = {"type": change.value} if isinstance(value, dict) else change.value
            sent[change.name or key] = value
    return sent


def proposals(refusal: str, body: Mapping[str, Any], settled: Settled) -> list[Settled]:
    """What may be changed after a refusal that names settings, likeliest first."""
    told = refusal[:_READ].lower()
    named = [key for key, words in _WORDS.items() if key in body and any(w in told for w in words)]
    numbers = sorted({int(number) for number in _NUMBER.findall(told)}, reverse=True)[:12]
    found = [each for key in named for each in _changed(key, told, numbers, body, settled)]
    return [each for each in dict.fromkeys(found) if fitted(body, each) != fitted(body, settled)]


def last_resorts(body: Mapping[str, Any], settled: Settled) -> list[Settled]:
    """What may be changed after a refusal that names nothing: each wish alone, then all at once."""
    wished = [wish for wish in WISHES if wish in fitted(body, settled)]
    alone = [settled.having(wish, dropped=True) for wish in wished]
    renamed = [settled.having("max_tokens", name=_OTHER_NAMES[0])] if "max_tokens" in body else []
    bare = settled
    for wish in wished:
        bare = bare.having(wish, dropped=True)
    return [*alone, *renamed, bare]


def dropped_by(settled: Settled, earlier: Settled) -> list[str]:
    """The wishes that the one leaves out and the other did not, the most missed first."""
    gone = {each.key for each in settled.changes if each.dropped}
    gone -= {each.key for each in earlier.changes if each.dropped}
    return [wish for wish in reversed(WISHES) if wish in gone]


def _changed(
    key: str, told: str, numbers: list[int], body: Mapping[str, Any], settled: Settled
) -> list[Settled]:
    sent = fitted(body, settled)
    if key == "max_tokens":
        names = [name for name in _OTHER_NAMES if name in told and name not in sent]
        wanted = body[key]
        room = {a - b for a in numbers for b in numbers} | set(numbers)
        fewer = sorted((number for number in room if 0 < number < wanted), reverse=True)
        more = [number for number in sorted(numbers) if wanted < number <= _LEAST_ROOM]
        return [
            *(settled.having(key, name=name) for name in names),
            *(settled.having(key, most=number) for number in fewer[:4]),
            *(settled.having(key, least=number) for number in more[:2]),
            settled.having(key, name=_OTHER_NAMES[0]),
        ]
    found = []
    if key == "logprobs" and "top_logprobs" in sent:
        limits = [n for n in numbers if 0 < n < sent["top_logprobs"]][:3]
        found = [settled.having(key, most=n) for n in dict.fromkeys((*limits, _USUAL_MOST))]
    elif key == "reasoning_effort":
        found = [settled.having(key, value=effort) for effort in _EFFORTS if effort in told]
    elif key == "response_format" and "json_object" in told:
        found = [settled.having(key, value="json_object")]
    return [*found, settled.having(key, dropped=True)]
