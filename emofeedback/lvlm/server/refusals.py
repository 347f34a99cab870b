"""What a server refused, or what else answered in its place, as a message; keys never show."""

from __future__ import annotations

from typing import Any

from ...errors import ScorerAnswerError, ScorerError
from ..answers import shortened
from .allowed import KEY_VARIABLE
from .connection import Server


def refusal(server: Server, error: Any) -> ScorerError:
    """The message for an answer with an error status."""
    status, told = error.status_code, _without_key(server, str(error))
    if status in (401, 403):
        hint = f"Set the environment variable {KEY_VARIABLE} to a key that this server takes."
    elif status == 404:
        hint = "Correct the model's name or the URL; most servers list names at /v1/models."
    elif 300 <= status < 400:
        hint = "It redirects elsewhere, which is not followed. Give the address it redirects to."
    elif status in (408, 429) or status >= 500:
        hint = f"It was asked {server.retries + 1} times. Look at the server's own log."
    else:
        hint = "The server does not take this question; does its model see pictures?"
    return ScorerError(f"{server.name} answered with status {status}: {shortened(told)}. {hint}")


def foreign(server: Server, told: str) -> ScorerAnswerError:
    """The message for what is no answer of a chat model: a page, an error in a 200, no choices."""
    return ScorerAnswerError(
        f"{server.name} answered {shortened(_without_key(server, told))}, which is not an answer "
        "of a chat model. Is the URL the one of another service? It usually ends in /v1."
    )


def _without_key(server: Server, text: str) -> str:
    return text if server.key in ("", "none") else text.replace(server.key, "(key)")
