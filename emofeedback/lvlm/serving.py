"""What a local model answers to chat requests as OpenAI-compatible servers take them.

Data alone: sockets are the business of `python -m emofeedback serve`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..errors import ConfigError
from ..images import from_data_uri
from .base import DEFAULT_PROMPTS, TAUGHT, Ask, Written, unwatched
from .local import TransformersLvlm

MOST_LOGPROBS = 20
LONGEST = 4096
"""Tokens of an answer, at most."""


def served_name(lvlm: TransformersLvlm) -> str:
    """The model's name on the server; says which prompts it was taught."""
    taught = lvlm.prompts.name
    return lvlm.name if taught == DEFAULT_PROMPTS else f"{lvlm.name}{TAUGHT}{taught}"


def model_list(lvlm: TransformersLvlm) -> dict[str, Any]:
    """The answer to GET /v1/models."""
    entry = {"id": served_name(lvlm), "object": "model", "owned_by": "emofeedback"}
    return {"object": "list", "data": [entry]}


def answer_chat(lvlm: TransformersLvlm, body: Any) -> dict[str, Any]:
    """The answer to POST /v1/chat/completions: one choice, with log-probabilities where wanted.

    Raises: ConfigError, ImageError: a request that cannot be answered; says why. ScorerError.
    """
    ask = ask_of(body)
    written = lvlm.write([ask], unwatched)[0]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": written.text},
        "finish_reason": "length" if written.cut else "stop",
        "logprobs": {"content": _listed(written)} if body.get("logprobs") else None,
    }
    return {
        "id": f"chatcmpl-{time.time_ns():x}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": served_name(lvlm),
        "choices": [choice],
        "usage": {
            "prompt_tokens": written.tokens - written.new_tokens,
            "completion_tokens": written.new_tokens,
            "total_tokens": written.tokens,
        },
    }


def ask_of(body: Any) -> Ask:
    """A chat request as a question: its text and, at most, one picture.

    Raises: ConfigError: no chat request, streaming, or several answers. ImageError: a picture by
        address, or one that cannot be read.
    """
    if not isinstance(body, Mapping):
        raise ConfigError("The body is no JSON table. Send a chat completion request.")
    if body.get("stream") or body.get("n", 1) != 1:
        raise ConfigError("stream and n are not served here: ask for one whole answer.")
    text, image = _content(body.get("messages"))
    wanted = body.get("top_logprobs") or 0
    if not isinstance(wanted, int) or not 0 <= wanted <= MOST_LOGPROBS:
        raise ConfigError(f"top_logprobs is {wanted!r}: ask for 0 to {MOST_LOGPROBS}.")
    length = body.get("max_completion_tokens") or body.get("max_tokens") or 512
    if not isinstance(length, int) or not 1 <= length <= LONGEST:
        raise ConfigError(f"max_tokens is {length!r}: ask for 1 to {LONGEST}.")
    return Ask(
        image, text,
        max_tokens=length,
        seed=_seed(body),
        schema=_schema(body.get("response_format")),
        top_logprobs=max(wanted, 1) if body.get("logprobs") else 0,
    )  # fmt: skip


def _seed(body: Mapping[str, Any]) -> int | None:
    if not body.get("temperature", 1.0):
        return None
    seed = body.get("seed")
    return time.time_ns() % 2**31 if seed is None else int(seed) % 2**31


def _schema(wanted: Any) -> Mapping[str, Any] | None:
    if not isinstance(wanted, Mapping) or wanted.get("type") in (None, "text"):
        return None
    found = (wanted.get("json_schema") or {}).get("schema")
    if wanted["type"] != "json_schema" or not isinstance(found, Mapping):
        raise ConfigError("response_format is served for json_schema with its schema only.")
    return found


def _content(messages: Any) -> tuple[str, Tensor | None]:
    """Text and picture of all messages; roles are not told apart, since models here take one."""
    if not isinstance(messages, list) or not messages:
        raise ConfigError("messages is empty. Send the question as a user's message.")
    texts, pictures = [], []
    for message in messages:
        parts = message.get("content") if isinstance(message, Mapping) else None
        parts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
        if not isinstance(parts, list):
            raise ConfigError("A message has no content: a text, or a list of text and pictures.")
        for part in parts:
            if part.get("type") == "text":
                texts.append(str(part.get("text", "")))
            elif part.get("type") == "image_url":
                pictures.append(from_data_uri(str((part.get("image_url") or {}).get("url", ""))))
            else:
                raise ConfigError(f"A part of type {part.get('type')!r} is not served here.")
    if len(pictures) > 1:
        raise ConfigError(f"The request has {len(pictures)} pictures; ask about one at a time.")
    return "\n".join(texts), pictures[0] if pictures else None


def _listed(written: Written) -> list[dict[str, Any]]:
    return [
        {
            "token": token,
            "logprob": chance,
            "top_logprobs": [{"token": t, "logprob": c} for t, c in others],
        }
        for (token, chance), *others in written.logprobs
    ]
