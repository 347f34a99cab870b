"""Stopping a run from outside: Ctrl-C and SIGTERM, which clusters send, are one thing."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stoppable(*, at_once: bool) -> Iterator[Callable[[], bool]]:
    """Inside, both signals stop; yields whether one has come.

    Args:
        at_once: KeyboardInterrupt where the program stands; else the first signal is only noted,
            so that several processes can leave in the same step, and the second one raises.
    """
    come = False

    def handle(*_: Any) -> None:
        nonlocal come
        raised, come = at_once or come, True
        if raised:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone gets signals
        yield lambda: False
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield lambda: come
    finally:
        for number, old in before.items():
            signal.signal(number, old)
