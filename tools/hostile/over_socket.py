"""Damaged replies over a real socket, through the real client."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import torch

from emofeedback.errors import EmoFeedbackError
from emofeedback.lvlm.base import Ask, unwatched
from emofeedback.lvlm.server.allowed import ServerAddress
from emofeedback.lvlm.server.connection import Server
from emofeedback.lvlm.server.endpoint import EndpointLvlm

from .replies import mutated, whole_reply

KEY = "sk-hostile-secret"
STATUSES = (200, 200, 200, 200, 200, 200, 400, 404, 422, 429, 500, 503, 302, 204)
KINDS = ("application/json", "application/json; charset=utf-16", "text/html", "")


class _Source:
    """Makes each answer in turn; shared by the server's threads."""

    def __init__(self, chance: Random) -> None:
        self.chance, self.sent, self.lock = chance, 0, threading.Lock()

    def answer(self) -> tuple[int, str, bytes, int]:
        """Status, content type, body, and how many bytes are promised beyond it."""
        with self.lock:
            self.sent += 1
            chance = self.chance
            body = mutated(whole_reply(chance), chance)
            if chance.random() < 0.05:
                body = body.replace(b"m", KEY.encode(), 2)
            short = chance.choice((0,) * 30 + (7,))
            return chance.choice(STATUSES), chance.choice(KINDS), body, short


@contextmanager
def _serving(source: _Source) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, body, short = source.answer()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(0 if status == 204 else len(body) + short))
            self.end_headers()
            self.wfile.write(b"" if status == 204 else body)
            self.close_connection = bool(short)

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that leave in between are no news."""

    server = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def attack(count: int, chance: Random) -> tuple[int, Counter[str]]:
    """At least `count` damaged replies to ratings and explanations; how many, and the faults."""
    source, faults = _Source(chance), Counter[str]()
    picture = torch.zeros(1, 8, 8, 3)
    with _serving(source) as port:
        address = ServerAddress(f"http://127.0.0.1:{port}/v1", "127.0.0.1", port)
        while source.sent < count:
            lvlm = EndpointLvlm("m", Server(address, KEY, "m at a socket", 20.0, 0, 4, 20.0))
            try:
                if chance.random() < 0.7:
                    told = [r.raw_text for r in lvlm.rate(picture, "a boat", unwatched)]
                else:
                    told = [w.text for w in lvlm.write([Ask(picture[0], "?")], unwatched)]
            except EmoFeedbackError as error:
                told = [str(error)]
                if not str(error).isprintable():
                    faults["a message that is not shown"] += 1
            except Exception as error:  # noqa: BLE001  what is counted here
                faults[f"{type(error).__name__}: {str(error)[:80]}"] += 1
                continue
            faults["the key shows"] += sum(KEY in text for text in told)
    return source.sent, +faults
