"""Steps with their times on the terminal, the error that ends a command, and child processes."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class StartError(Exception):
    """Something the user can mend; the message says what was wrong and what to do."""


def say(line: str = "") -> None:
    """Prints a line that stays, in the place of a status."""
    clear_status()
    print(line, flush=True)


def status(text: str) -> None:
    """Shows one line that the next one replaces; nothing where the output is no terminal."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:width]:<{width}}", end="", flush=True)


def clear_status() -> None:
    """Takes the last status off the terminal."""
    if sys.stdout.isatty():
        print("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r", end="", flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Prints the title when the work starts and its seconds when it is done."""
    status(f"- {title} ...")
    start = time.monotonic()
    yield
    say(f"- {title} ({time.monotonic() - start:.1f} s)")


def run_logged(command: Sequence[str | Path], log: Path, *, title: str = "") -> tuple[int, str]:
    """Runs a child, appends its output to `log`; returns its exit code and its last 40 lines.

    The child never outlives this process, whichever way that ends.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    tail: deque[str] = deque(maxlen=40)
    with log.open("a", encoding="utf-8") as record:
        record.write("\n$ " + " ".join(map(str, command)) + "\n")
        child = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            preexec_fn=die_with_parent(),
        )
        assert child.stdout is not None
        try:
            for line in child.stdout:
                record.write(line)
                tail.append(line.rstrip())
                if title:
                    status(f"- {title} ... {line.strip()}")
            return child.wait(), "\n".join(tail)
        finally:
            end_process(child)


def end_process(child: subprocess.Popen[Any], *, patience_s: float = 5.0) -> None:
    """Asks a child to end, makes it after `patience_s` seconds; leaves a finished one alone."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def die_with_parent() -> Callable[[], None] | None:
    """What a child runs first so that it dies even when this process is killed (on Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_the_kernel() -> None:
        pr_set_pdeathsig = 1  # linux/prctl.h
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask_the_kernel
