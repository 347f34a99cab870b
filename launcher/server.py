"""A ComfyUI server on the loopback interface that never outlives the command that started it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .steps import StartError, die_with_parent

HOST = "127.0.0.1"
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy


class ComfyServer:
    """A running server; use it in a `with` block, which waits until it answers and stops it after.

    Args:
        python: interpreter with ComfyUI's requirements.
        tree: ComfyUI's folder.
        base: base directory (custom_nodes, models, input, output, temp, user).
        log: gets the server's output.
        port: None picks a free one.
        arguments: further arguments of ComfyUI's main.py, such as "--cpu" or "--cache-none".
    """

    def __init__(
        self,
        python: Path,
        tree: Path,
        base: Path,
        *,
        log: Path,
        port: int | None = None,
        arguments: Sequence[str] = (),
        timeout_s: float = 180.0,
    ) -> None:
        self.port = free_port() if port is None else port
        self.url = f"http://{HOST}:{self.port}"
        self.log = log
        self.base = base
        self._timeout_s = timeout_s
        self._cwd = tree
        self._command = [
            *(str(python), str(tree / "main.py"), "--listen", HOST, "--port", str(self.port)),
            *("--base-directory", str(base), "--disable-api-nodes", "--disable-auto-launch"),
            *("--database-url", "sqlite:///:memory:", *arguments),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        try:
            self._start()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def get(self, path: str, *, timeout_s: float = 10.0) -> Any:
        """GETs a path of the server and returns its JSON answer."""
        return json.loads(self.read(path, timeout_s=timeout_s))

    def read(self, path: str, *, timeout_s: float = 10.0) -> bytes:
        """GETs a path of the server and returns the bytes of its answer."""
        with _direct.open(self.url + path, timeout=timeout_s) as answer:
            return bytes(answer.read())

    def post(self, path: str, value: Any, *, timeout_s: float = 10.0) -> None:
        """POSTs `value` as JSON."""
        request = urllib.request.Request(  # noqa: S310  our own server
            self.url + path, json.dumps(value).encode(), {"Content-Type": "application/json"}
        )
        with _direct.open(request, timeout=timeout_s):
            pass

    def tail(self, lines: int = 20) -> str:
        """The last lines of the server's log."""
        try:
            text = self.log.read_text("utf-8", errors="replace")
        except OSError:
            return "(no log)"
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return "\n".join(f"  {line}" for line in plain.splitlines()[-lines:])

    def ensure_alive(self) -> None:
        """Raises: StartError: the server has ended, with the tail of its log."""
        code = self._process.poll() if self._process else None
        if code is not None:
            raise StartError(
                f"ComfyUI ended with exit code {code}; the end of {self.log}:\n{self.tail()}"
            )

    def stop(self, *, patience_s: float = 5.0) -> None:
        """Ends the server and whatever it started; safe to call again."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        _signal_group(process, signal.SIGINT if os.name != "nt" else signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
        finally:
            if process.poll() is None:
                _signal_group(process, signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
                process.wait()

    def _start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # Its own group: Ctrl-C reaches us alone, and we then end the server and its children.
        group: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(),
                **group,
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline:
            self.ensure_alive()
            try:
                self.get("/system_stats", timeout_s=2.0)
            except (OSError, ValueError):
                time.sleep(0.1)
            else:
                return
        raise StartError(
            f"ComfyUI did not answer within {self._timeout_s:.0f} s; the end of {self.log}:\n"
            f"{self.tail()}"
        )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def check_port(port: int) -> None:
    """Raises: StartError: something else listens there, or the port may not be used."""
    with socket.socket() as probe:
        if os.name != "nt":  # a server stopped a moment ago must not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            told = getattr(error, "strerror", None) or error
            raise StartError(
                f"Port {port} cannot be used on {HOST}: {told}. "
                "Give another --port, or none: a free one is then picked."
            ) from error


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if sys.platform == "win32":
        process.terminate()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
