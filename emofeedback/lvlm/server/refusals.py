"""What a server refused, or what else answered in its place, as a message; keys never show."""

from __future__ import annotations

from ...errors import ScorerAnswerError, ScorerError
from ..answers import shortened
from .allowed import KEY_VARIABLE
from .connection import Server
from .keys import without_key

THIS_QUESTION = "The server does not take this question; does its model see pictures?"


class RefusedError(Exception):
    """A server does not take a question as it stands.

    Args:
        status: of HTTP, or as the error in the reply says.
        told: the server's words.
    """

    def __init__(self, status: int, told: str) -> None:
        super().__init__(status)
        self.status, self.told = status, told


class FailedError(Exception):
    """A try that failed and may succeed later.

    Args:
        problem: what is told where it never does, with `{tries}` for how often it was asked.
        wait_s: what the server asks to wait, None for no wish.
        broken: the server itself failed; another may come back.
    """

    def __init__(self, problem: ScorerError, wait_s: float | None, *, broken: bool) -> None:
        super().__init__(str(problem))
        self.problem, self.wait_s, self.broken = problem, wait_s, broken


def refusal(server: Server, status: int, told: str) -> ScorerError:
    """The message for an answer with an error status."""
    if status in (401, 403):
        hint = f"Set the environment variable {KEY_VARIABLE} to a key that this server takes."
    elif status == 404:
        hint = "Correct the model's name or the URL; most servers list names at /v1/models."
    elif 300 <= status < 400:
        hint = "It redirects elsewhere, which is not followed. Give the address it redirects to."
    elif status in (408, 429) or status >= 500:
        hint = "Look at the server's own log."
    else:
        hint = THIS_QUESTION
    # Of the server, or of this question alone, as a filter's refusal of a picture.
    kind = ScorerAnswerError if hint is THIS_QUESTION else ScorerError
    told = shortened(without_key(told, server.key))
    return kind(f"{server.name} answered with status {status}: {told}. {hint}")


def foreign(server: Server, told: str) -> ScorerAnswerError:
    """The message for what is no answer of a chat model: a page, an error in a 200, no choices."""
    return ScorerAnswerError(
        f"{server.name} answered {shortened(without_key(told, server.key))}, which is not an "
        "answer of a chat model. Is the URL the one of another service? It usually ends in /v1."
    )


def repeated(problem: ScorerError, tries: int) -> ScorerError:
    """A failure that outlasted several tries says how many there were."""
    if tries < 2:
        return problem
    return type(problem)(f"{problem} It was asked {tries} times.")
