"""Chat requests to an OpenAI-compatible server with the official client, and what went wrong.

Retries, back-off with jitter and Retry-After are the client's own (408, 409, 429, 5xx and broken
connections). Redirects are off: a server that may be called must not send us to one that may not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import MissingDependencyError, ScorerAnswerError, ScorerError
from ..answers import shortened
from .allowed import KEY_VARIABLE, ServerAddress
from .waiting import Progress

WISHES = ("logprobs", "top_logprobs", "response_format", "seed")
"""Settings that a server may refuse; the question is then asked without them."""


@dataclass(frozen=True)
class Server:
    """Where and how to ask.

    Args:
        address: checked by `allowed_address`.
        key: the API key; it is shown nowhere.
        name: how messages call the scorer.
        timeout_s: for one question as a whole, retries and slow drips included.
        retries: how often a question is sent again where the server is busy or fails.
        at_once: questions at a time.
        refused: wishes that this server has refused; filled as it answers.
    """

    address: ServerAddress
    key: str = field(repr=False)
    name: str
    timeout_s: float
    retries: int
    at_once: int
    refused: set[str] = field(default_factory=set)


async def send_all(
    server: Server, bodies: Sequence[Mapping[str, Any]], progress: Progress
) -> list[Any]:
    """The server's replies in order; the first failure ends the rest.

    Raises: ScorerError: the server cannot be asked. ScorerAnswerError: it is another service.
    """
    gate = asyncio.Semaphore(server.at_once)

    async def one(client: Any, body: Mapping[str, Any]) -> Any:
        async with gate:
            reply = await _send(server, client, body)
        progress()
        return reply

    async with _client(server) as client:
        tasks = [asyncio.create_task(one(client, body)) for body in bodies]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _client(server: Server) -> Any:
    try:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient
    except ImportError as error:
        raise MissingDependencyError(
            f"Asking a server needs the openai package ({error}). Run: pip install openai"
        ) from error
    return AsyncOpenAI(
        base_url=server.address.url,
        api_key=server.key,
        max_retries=server.retries,
        timeout=server.timeout_s,
        http_client=DefaultAsyncHttpxClient(
            follow_redirects=False,
            trust_env=not server.address.is_loopback,  # no proxy between this computer and itself
        ),
    )


async def _send(server: Server, client: Any, body: Mapping[str, Any]) -> Any:
    """One reply, asked for without the wishes that the server refuses."""
    import openai

    while True:
        wished = {key: value for key, value in body.items() if key not in server.refused}
        try:
            async with asyncio.timeout(server.timeout_s):
                return _checked(server, await client.chat.completions.create(**wished))
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            refused = _refused_wishes(str(error), wished)
            if not refused:
                raise _refusal(server, error) from error
            server.refused.update(refused)
        except (TimeoutError, openai.APITimeoutError) as error:
            raise ScorerError(
                f"{server.name} gave no answer within {server.timeout_s:g} s. Is the model still "
                "loading, or too large for its machine? Raise the time-out, or use a smaller one."
            ) from error
        except openai.APIConnectionError as error:
            raise ScorerError(
                f"{server.name} cannot be reached ({error.__cause__ or error}). Start the server, "
                "or correct the URL."
            ) from error
        except openai.APIStatusError as error:
            raise _refusal(server, error) from error
        except (openai.OpenAIError, ValueError) as error:  # bodies that are no JSON, or cut off
            raise _foreign(server, str(error)) from error


def _refused_wishes(message: str, body: Mapping[str, Any]) -> set[str]:
    """Which wishes a 400 or 422 is about: those it names, else all of them."""
    wished = {wish for wish in WISHES if wish in body}
    named = {wish for wish in wished if wish in message or wish.split("_")[-1] in message}
    return named | ({"top_logprobs"} & wished if "logprobs" in named else set()) or wished


def _refusal(server: Server, error: Any) -> ScorerError:
    """The message for an answer with an error status; the key never shows in it."""
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


def _checked(server: Server, reply: Any) -> Any:
    """The reply, if it is one of a chat model.

    Raises: ScorerAnswerError: a page, an error in a 200, no choices.
    """
    choices = getattr(reply, "choices", None)
    if not isinstance(choices, list) or not choices or not hasattr(choices[0], "message"):
        told = reply if isinstance(reply, str) else getattr(reply, "error", None) or reply
        raise _foreign(server, str(told))
    return reply


def _foreign(server: Server, told: str) -> ScorerAnswerError:
    return ScorerAnswerError(
        f"{server.name} answered {shortened(_without_key(server, told))}, which is not an answer "
        "of a chat model. Is the URL the one of another service? It usually ends in /v1."
    )


def _without_key(server: Server, text: str) -> str:
    return text if server.key in ("", "none") else text.replace(server.key, "(key)")
