"""Finding out by trying what a server takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .connection import Settlement
from .refusals import RefusedError
from .replies import Reply
from .wishes import Settled, dropped_by, fitted, last_resorts, proposals

MOST_TRIES = 24
Ask = Callable[[Mapping[str, Any]], Awaitable[Reply]]


async def ask_settled(
    settlement: Settlement, turn: asyncio.Lock, body: Mapping[str, Any], ask: Ask
) -> tuple[Reply, dict[str, Any]]:
    """The reply to a question, and the question as it was sent.

    Args:
        settlement: what is known of the server, and gets what is found out.
        turn: one question finds out for all that wait.
        body: with all wishes.
        ask: sends a question; raises RefusedError where the server does not take it.
    Raises: RefusedError: it does not take the plainest form either. What `ask` raises.
    """
    sent = fitted(body, settlement.now)
    try:
        return await ask(sent), sent
    except RefusedError as error:
        refused = error
    async with turn:
        if (known := fitted(body, settlement.now)) != sent:
            try:
                return await ask(known), known
            except RefusedError as error:
                refused = error
        reply, found = await _searched(settlement.now, refused, body, ask)
        settlement.now = found
    return reply, fitted(body, found)


async def _searched(
    known: Settled, refused: RefusedError, body: Mapping[str, Any], ask: Ask
) -> tuple[Reply, Settled]:
    """The first form that the server takes: what its words point at, then one wish after another.

    Raises: RefusedError: none; the words to the last form tried.
    """
    pending = [*proposals(refused.told, body, known), *last_resorts(body, known)]
    tried = [fitted(body, known)]
    while pending and len(tried) < MOST_TRIES:
        candidate = pending.pop(0)
        if (form := fitted(body, candidate)) in tried:
            continue
        tried.append(form)
        try:
            reply = await ask(form)
        except RefusedError as error:
            refused = error
            pending = [*proposals(error.told, body, candidate), *pending]
        else:
            return await _with_wishes_kept(known, candidate, reply, body, ask)
    raise refused


async def _with_wishes_kept(
    known: Settled, found: Settled, reply: Reply, body: Mapping[str, Any], ask: Ask
) -> tuple[Reply, Settled]:
    """Takes back each of several dropped wishes without which the question succeeds, too."""
    gone = dropped_by(found, known)
    for wish in gone if len(gone) > 1 else ():
        kept = found.keeping(wish)
        try:
            reply, found = await ask(fitted(body, kept)), kept
        except RefusedError:
            continue
    return reply, found
