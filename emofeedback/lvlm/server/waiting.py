"""Waiting for requests in a thread of their own, so that the caller can interrupt them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from ..base import ProgressCallback

LOOK_EVERY_S = 0.05
LEAVE_AFTER_S = 0.25
"""A name that is looked up cannot be interrupted: its thread ends alone."""
Value = TypeVar("Value")
Progress = Callable[[], None]


def run_watched(
    work: Callable[[Progress], Awaitable[Value]], total: int, watch: ProgressCallback
) -> Value:
    """What a coroutine returns that runs in an event loop of its own.

    The caller may sit in an event loop already, as ComfyUI's nodes do. `watch` is called in the
    caller's thread while the work goes on; what it raises cancels the work at once, whatever it
    waits for.

    Args:
        work: gets a function to call whenever a part is done.
        total: number of parts.
        watch: gets parts done and in all.
    Raises: what the work or `watch` raises.
    """
    worker = _Worker(work)
    worker.start()
    try:
        while worker.is_alive():
            watch(worker.done, total)
            worker.join(LOOK_EVERY_S)
        watch(worker.done, total)
    except BaseException:
        worker.cancel()
        raise
    return worker.result()


class _Worker(threading.Thread, Generic[Value]):
    def __init__(self, work: Callable[[Progress], Awaitable[Value]]) -> None:
        super().__init__(name="emofeedback-requests", daemon=True)
        self.done = 0
        self._work = work
        self._started_work = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Value] | None = None
        self._value: list[Value] = []
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._value.append(asyncio.run(self._main()))
        except BaseException as error:  # noqa: BLE001  raised again by `result`
            self._failure = error
        finally:
            self._started_work.set()

    def result(self) -> Value:
        """The value of the finished work; raises what it raised."""
        if self._failure is not None:
            raise self._failure
        return self._value[0]

    def cancel(self) -> None:
        """Ends the work, and waits a moment until its connections are closed."""
        self._started_work.wait()
        if self._loop is not None and self._task is not None and self.is_alive():
            with suppress(RuntimeError):  # it ended in between
                self._loop.call_soon_threadsafe(self._task.cancel)
        self.join(LEAVE_AFTER_S)

    async def _main(self) -> Value:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._started_work.set()
        return await self._work(self._count)

    def _count(self) -> None:
        self.done += 1
