"""HTTP for this computer alone: what every small server of a command answers with."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from ..lvlm.server.allowed import LOOPBACK

HOST = "127.0.0.1"
LARGEST = 64 * 2**20
"""Bytes of a request."""


class LocalHandler(BaseHTTPRequestHandler):
    """Requests of programs and pages that meant this computer."""

    protocol_version = "HTTP/1.1"

    def is_local(self) -> bool:
        """Whether the page or program that asks meant this computer: names can be rebound."""
        host = self.headers.get("Host", "").rsplit(":", 1)[0].strip("[]")
        if host in LOOPBACK:
            return True
        self.refuse(403, f"This server answers to {', '.join(LOOPBACK)}, not to {host!r}.")
        return False

    def body(self, largest: int = LARGEST) -> bytes | None:
        """What was sent; None where it was refused."""
        length = self.headers.get("Content-Length", "")
        if length.isdigit() and int(length) <= largest:
            return self.rfile.read(int(length))
        self.close_connection = True
        self.refuse(413, f"A request has a length, at most {largest} bytes.")
        return None

    def refuse(self, status: int, message: str) -> None:
        """An error as JSON."""
        self.send(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def send(self, status: int, content: Any) -> None:
        """An answer as JSON."""
        self.send_data(status, json.dumps(content).encode(), "application/json")

    def send_data(self, status: int, data: bytes, kind: str, **headers: str) -> None:
        """An answer of any kind; headers are named with _ for -."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Requests are not worth a line each."""
