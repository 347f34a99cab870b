"""Where a server is and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from .allowed import ServerAddress
from .wishes import Settled


@dataclass
class Settlement:
    """What a server takes, as far as it was found out by trying.

    Args:
        now: what questions are changed by.
        whole: its log-probabilities come and go, so that ratings are read as whole digits.
    """

    now: Settled = field(default_factory=Settled)
    whole: bool = False

    def forget(self) -> None:
        """After a failure another server may come back: everything is asked for again."""
        self.now, self.whole = Settled(), False


@dataclass(frozen=True)
class Server:
    """Where and how to ask.

    Args:
        address: checked by `allowed_address`.
        key: the API key; it is shown nowhere.
        name: how messages call the scorer.
        timeout_s: for one try, slow drips included.
        retries: how often a question is sent again where the server is busy or fails.
        at_once: questions at a time.
        patience_s: for one question as a whole, tries and pauses included.
        settlement: filled as it answers.
    """

    address: ServerAddress
    key: str = field(repr=False)
    name: str
    timeout_s: float
    retries: int
    at_once: int
    patience_s: float
    settlement: Settlement = field(default_factory=Settlement)
