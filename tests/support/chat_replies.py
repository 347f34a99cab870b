"""Replies in the wire format that vLLM, SGLang and OpenAI share."""

from __future__ import annotations

from typing import Any


def reply(text: Any, logprobs: Any = None, **message: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": "stop",
        "logprobs": logprobs,
    }
    usage = {"prompt_tokens": 90, "completion_tokens": 3, "total_tokens": 93}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice], "usage": usage}  # fmt: skip


def token(text: str, **options: float) -> dict[str, Any]:
    """One written token and the likeliest ones in its place."""
    listed = [{"token": t, "logprob": p, "bytes": None} for t, p in options.items()]
    return {"token": text, "logprob": options.get(text, 0.0), "bytes": None, "top_logprobs": listed}


def rated(valence: str = "7", arousal: str = "3", **answer: Any) -> dict[str, Any]:
    """Two digits with log-probabilities: 0.8 for each, 0.2 for the 5."""
    tokens = [token(digit, **{digit: -0.2231436, "5": -1.609438}) for digit in (valence, arousal)]
    tokens.insert(1, token(", ", **{", ": 0.0}))
    return reply(f"{valence}, {arousal}", {"content": tokens}, **answer)
