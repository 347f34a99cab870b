"""Where a server is and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from .allowed import ServerAddress


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
