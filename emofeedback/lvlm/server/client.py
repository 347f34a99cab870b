"""Chat requests to an OpenAI-compatible server with the official client.

Redirects are off: a server that may be called must not send us to one that may not. Busy or failing
servers are asked again after a pause that grows; what they refuse is settled by trying.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import MissingDependencyError, ScorerAnswerError, ScorerError
from ...records.files import parsed
from .connection import Server
from .keys import without_key
from .refusals import FailedError, RefusedError, foreign, refusal, repeated
from .replies import ErrorInReplyError, NoReplyError, Reply, read_body
from .settling import ask_settled
from .waiting import Progress
from .wishes import Settled, fitted, proposals

log = logging.getLogger(__name__)
MOST_BYTES = 8 * 2**20
"""Of a reply; an answer with all its log-probabilities has a hundredth of that."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
MOST_PASSES = 3
_READ_HEADERS = ("retry-after",)
_PASSING = (408, 409, 425, 429)
_UNSUITED = (400, 413, 415, 422, 501)


async def send_all(
    server: Server, bodies: Sequence[Mapping[str, Any]], progress: Progress
) -> list[tuple[Reply, dict[str, Any]]]:
    """The server's replies in order, each with the question as it was sent.

    All are asked for in one way: what was asked otherwise before the server changed is asked again.

    Raises: ScorerError: the server cannot be asked. ScorerAnswerError: it is another service.
    """
    gate, turn = asyncio.Semaphore(server.at_once), asyncio.Lock()

    async def one(client: Any, body: Mapping[str, Any], told: bool) -> tuple[Reply, dict[str, Any]]:
        async def ask(sent: Mapping[str, Any]) -> Reply:
            return await _asked(server, client, sent)

        async with gate:
            try:
                found = await ask_settled(server.settlement, turn, body, ask)
            except RefusedError as error:
                raise refusal(server, error.status, error.told) from None
        if told:
            progress()
        return found

    async with _client(server) as client:
        found: dict[int, tuple[Reply, dict[str, Any]]] = {}
        waiting = list(range(len(bodies)))
        for number in range(MOST_PASSES):
            tasks = [asyncio.create_task(one(client, bodies[i], number == 0)) for i in waiting]
            try:
                found |= zip(waiting, await asyncio.gather(*tasks), strict=True)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            now = server.settlement.now
            waiting = [i for i, (_, sent) in found.items() if sent != fitted(bodies[i], now)]
            if not waiting:
                return [found[i] for i in range(len(bodies))]
    raise ScorerError(
        f"{server.name} takes other settings from question to question, so that pictures cannot be "
        "read in one way. Are several servers behind this address?"
    )


async def model_names(server: Server) -> list[str]:
    """What the server lists as its models, in its order.

    Raises: ScorerError: it cannot be asked. ScorerAnswerError: it answered with something else.
    """
    import openai

    async with _client(server) as client:
        try:
            async with asyncio.timeout(server.timeout_s):
                raw = await client.models.with_raw_response.list()
        except (TimeoutError, openai.APITimeoutError):
            raise _silent(server) from None
        except openai.APIStatusError as error:
            raise refusal(server, error.status_code, _told(error.response.text)) from None
        except (_TooLongError, openai.OpenAIError) as error:
            raise _unreachable(server, error.__cause__ or error) from None
    text = raw.content.decode(errors="replace")
    try:
        return [str(model["id"]) for model in parsed(text)["data"]]
    except (ValueError, KeyError, TypeError):
        raise foreign(server, text) from None


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
        organization="",  # of the environment, meant for another server
        project="",
        max_retries=0,
        timeout=server.timeout_s,
        default_query=dict(server.address.query),
        http_client=_bounded(DefaultAsyncHttpxClient)(
            follow_redirects=False,
            trust_env=not server.address.is_loopback,  # no proxy between this computer and itself
            verify=not server.address.is_loopback or server.address.scheme == "https",
        ),
    )


class _TooLongError(Exception):
    """A reply of more than `MOST_BYTES`."""


def _bounded(base: type[Any]) -> type[Any]:
    """A client that reads replies up to `MOST_BYTES`, also unpacked, and no further."""

    class Bounded(base):
        async def send(self, request: Any, **options: Any) -> Any:
            reply, body = await super().send(request, **{**options, "stream": True}), bytearray()
            try:
                async for part in reply.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise _TooLongError
            finally:
                await reply.aclose()
            # JSON is UTF-8: a charset that the server names may be one that its bytes are not in
            told = {name: reply.headers[name] for name in _READ_HEADERS if name in reply.headers}
            return type(reply)(
                reply.status_code, headers=told, content=bytes(body), request=request
            )

    return Bounded


async def _asked(server: Server, client: Any, body: Mapping[str, Any]) -> Reply:
    """One reply, asked for again while the server is busy or fails.

    Raises: RefusedError. ScorerError: it stays so.
    """
    clock = asyncio.get_running_loop().time
    end, tries = clock() + server.patience_s, 0
    while True:
        tries += 1
        try:
            return await _try(server, client, body, min(server.timeout_s, end - clock()))
        except FailedError as failure:
            if failure.broken:
                server.settlement.forget()
            pause = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S)
            pause *= 0.75 + random.random() / 2  # noqa: S311  so that many do not come at once
            if failure.wait_s is not None:
                pause = failure.wait_s
            if tries > server.retries or clock() + pause >= end:
                raise repeated(failure.problem, tries) from None
            if tries == 1:
                log.info(
                    "%s does not answer; waiting, for up to %.0f s.", server.name, end - clock()
                )
        await asyncio.sleep(pause)


async def _try(server: Server, client: Any, body: Mapping[str, Any], limit_s: float) -> Reply:
    """One reply to one request.

    Raises: RefusedError. FailedError: it may succeed later. ScorerError, ScorerAnswerError.
    """
    import openai

    sent = dict(body)
    named = {name: sent.pop(name) for name in ("model", "messages")}
    try:
        async with asyncio.timeout(limit_s):
            raw = await client.chat.completions.with_raw_response.create(**named, extra_body=sent)
    except (TimeoutError, openai.APITimeoutError):
        raise FailedError(_silent(server), None, broken=True) from None
    except openai.APIStatusError as error:
        told = _told(error.response.text)
        raise _fault(server, body, error.status_code, told, error.response.headers) from None
    except (_TooLongError, openai.OpenAIError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, _TooLongError):
            raise ScorerAnswerError(
                f"{server.name} answered with more than {MOST_BYTES // 2**20} MB, which no answer "
                "of a chat model has. Is the URL the one of another service?"
            ) from None
        raise FailedError(_unreachable(server, cause), None, broken=True) from None
    return _read(server, body, raw.content.decode(errors="replace"))


def _read(server: Server, body: Mapping[str, Any], text: str) -> Reply:
    try:
        reply = read_body(text)
    except ErrorInReplyError as error:
        raise _fault(server, body, error.status, error.told, {}) from None
    except NoReplyError:
        raise foreign(server, text) from None
    return replace(
        reply,
        text=without_key(reply.text, server.key),
        thought=without_key(reply.thought, server.key),
    )


def _fault(
    server: Server, body: Mapping[str, Any], status: int, told: str, headers: Mapping[str, str]
) -> Exception:
    """What an error means: ask otherwise, ask later, or ask no more."""
    wished = bool(proposals(told, body, Settled()))
    if status in _UNSUITED or (wished and status in (0, 500)):
        return RefusedError(status or 400, told)
    problem = refusal(server, status or 502, told)
    if status in _PASSING or status == 0 or status >= 500:
        return FailedError(problem, _wait(headers), broken=status >= 500)
    return problem


def _silent(server: Server) -> ScorerError:
    return ScorerError(
        f"{server.name} gave no answer within {server.timeout_s:g} s. Is the model still loading, "
        "or too large for its machine? Raise the time-out, or use a smaller one."
    )


def _unreachable(server: Server, cause: BaseException) -> ScorerError:
    return ScorerError(
        f"{server.name} cannot be reached ({without_key(str(cause), server.key)}). Start the "
        "server, or correct the URL."
    )


def _told(text: str) -> str:
    """The words of an error's body."""
    try:
        read_body(text)
    except ErrorInReplyError as error:
        return error.told
    except NoReplyError:
        return text
    return text


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait."""
    try:
        wait = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return wait if 0 <= wait < float("inf") else None
