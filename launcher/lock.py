"""One set-up of a folder at a time."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .places import Places
from .steps import StartError, say

PATIENCE_S = 600.0


@contextmanager
def setup_lock(places: Places) -> Iterator[None]:
    """Waits until no other set-up of the same folder runs.

    Raises: StartError: another one still runs after ten minutes.
    """
    places.comfyui.mkdir(parents=True, exist_ok=True)
    path = places.comfyui / "setup.lock"
    deadline = time.monotonic() + PATIENCE_S
    with path.open("a") as file:
        if not _try(file.fileno()):
            say(f"- another start.py is setting up {places.home}: waiting for it")
            while not _try(file.fileno()):
                if time.monotonic() > deadline:
                    raise StartError(
                        f"Another start.py has held {path} for ten minutes: end it, then run again."
                    )
                time.sleep(0.5)
        yield


if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(descriptor: int) -> bool:
        # The kernel drops it with the last process that holds the file: never a stale lock.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
