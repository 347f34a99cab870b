"""A small HTTP server on loopback that stands before a real one and misbehaves on order."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

LONG_S = 30.0
"""Longer than any test waits."""
AWAY = ("busy", "broken", "half", "drip", "silent", "reset", "elsewhere", "no_key")
"""Faults that say nothing of a picture: the server cannot be asked."""
FAULTS = (*AWAY, "garbage", "page", "other", "no_wishes")


class FaultProxy:
    """Hands requests on, after the faults that were ordered.

    Args:
        behind: base URL of the real server, "" for none.
        port: of its own; 0 takes any that is free.

    `reply` is what it answers itself: JSON, or a function of the request that returns JSON, bytes,
    or either with a status before it.
    """

    def __init__(self, behind: str = "", port: int = 0) -> None:
        self.behind = behind
        self.faults: deque[str] = deque()
        self.staying, self.plain_left = "", 0
        self.reply: dict[str, Any] | Callable[[dict[str, Any]], Any] | None = None
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.closing = threading.Event()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def fail_after(self, plain: int, fault: str) -> None:
        """Every request meets the fault once so many were handed on; "" ends that."""
        self.staying, self.plain_left = fault, plain

    def next_fault(self) -> str:
        if self.faults:
            return self.faults.popleft()
        self.plain_left -= 1
        return self.staying if self.plain_left < 0 else ""

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: FaultProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        owner = self.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        owner.requests.append(json.loads(body))
        owner.headers.append({name.lower(): value for name, value in self.headers.items()})
        owner.at_once += 1
        owner.most_at_once = max(owner.most_at_once, owner.at_once)
        try:
            fault = owner.next_fault()
            if fault:
                getattr(self, fault)()
            else:
                self.plain(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            owner.at_once -= 1

    def plain(self, body: bytes) -> None:
        reply = self.owner.reply
        if reply is not None:
            told = reply(json.loads(body)) if callable(reply) else reply
            status, told = told if isinstance(told, tuple) else (200, told)
            self.send(status, told if isinstance(told, bytes) else json.dumps(told).encode())
            return
        request = Request(self.owner.behind + self.path, body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=300) as answer:
                self.send(answer.status, answer.read())
        except HTTPError as error:
            self.send(error.code, error.read())

    def send(self, status: int, data: bytes, kind: str = "application/json", **more: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(data), **more}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def busy(self) -> None:
        self.send(429, b'{"error": {"message": "slow down"}}', Retry_After="0")

    def broken(self) -> None:
        self.send(500, b'{"error": {"message": "out of memory"}}', Retry_After="0")

    def half(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [{"mess')
        self.close_connection = True

    def garbage(self) -> None:
        self.send(200, b'{"choices": [}{')

    def page(self) -> None:
        self.send(200, b"<html><body>Router login</body></html>", "text/html")

    def other(self) -> None:
        self.send(200, b'{"status": "ok", "version": 3}')

    def drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        started = time.monotonic()
        while time.monotonic() - started < LONG_S and not self.owner.closing.wait(0.05):
            self.wfile.write(b" ")

    def silent(self) -> None:
        self.owner.closing.wait(LONG_S)
        self.close_connection = True

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def elsewhere(self) -> None:
        self.send(307, b"", Location="http://169.254.169.254/latest/meta-data")

    def no_key(self) -> None:
        told = f'{{"error": {{"message": "wrong key {self.headers["Authorization"]}"}}}}'
        self.send(401, told.encode())

    def no_wishes(self) -> None:
        self.send(400, b'{"error": {"message": "logprobs is not supported"}}')
