"""Chat requests to an OpenAI-compatible server with the official client.

Retries, back-off with jitter and Retry-After are the client's own (408, 409, 429, 5xx and broken
connections). Redirects are off: a server that may be called must not send us to one that may not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import MissingDependencyError, ScorerError
from .connection import Server
from .refusals import foreign, refusal
from .waiting import Progress

WISHES = ("logprobs", "top_logprobs", "response_format", "seed")
"""Settings that a server may refuse; the question is then asked without them."""


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
                raise refusal(server, error) from error
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
            raise refusal(server, error) from error
        except (openai.OpenAIError, ValueError) as error:  # bodies that are no JSON, or cut off
            raise foreign(server, str(error)) from error


def _refused_wishes(message: str, body: Mapping[str, Any]) -> set[str]:
    """Which wishes a 400 or 422 is about: those it names, else all of them."""
    wished = {wish for wish in WISHES if wish in body}
    named = {wish for wish in wished if wish in message or wish.split("_")[-1] in message}
    return named | ({"top_logprobs"} & wished if "logprobs" in named else set()) or wished


def _checked(server: Server, reply: Any) -> Any:
    """The reply, if it is one of a chat model.

    Raises: ScorerAnswerError: a page, an error in a 200, no choices.
    """
    choices = getattr(reply, "choices", None)
    if not isinstance(choices, list) or not choices or not hasattr(choices[0], "message"):
        told = reply if isinstance(reply, str) else getattr(reply, "error", None) or reply
        raise foreign(server, str(told))
    return reply
