"""The models that a server lists, over a real socket; what lists none is told."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from emofeedback.errors import ConfigError, ScorerError
from emofeedback.lvlm.server.allowed import allowed_address, usual_urls
from emofeedback.lvlm.server.endpoint import list_models

Answering = Callable[[int, bytes], str]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    """A server that answers every GET so; returns its URL."""
    made: list[HTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "/v1/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        monkeypatch.setenv("EMOFEEDBACK_ALLOWED_SERVERS", f"127.0.0.1:{server.server_port}")
        return f"http://127.0.0.1:{server.server_port}"

    asked: list[str] = []
    yield start
    assert set(asked) <= {"/v1/models"}  # nothing is followed elsewhere
    for server in made:
        server.shutdown()
        server.server_close()


def test_models_are_listed_in_the_servers_order(answering: Answering) -> None:
    listed = {"object": "list", "data": [{"id": "qwen3-vl:8b", "owned_by": "me"}, {"id": "a"}]}
    assert list_models(answering(200, json.dumps(listed).encode())) == ["qwen3-vl:8b", "a"]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"<html>", "another service"),
        (200, b'{"data": [1]}', "another service"),
        (200, b"[" * 100_000, "another service"),
        (401, b"no", "EMOFEEDBACK_API_KEY"),
        (302, b"", "redirects elsewhere"),
        (500, b"", "own log"),
        (200, b" " * (9 << 20), "cannot be reached"),
    ],
)
def test_what_lists_none_is_told(answering: Answering, status: int, body: bytes, told: str) -> None:
    with pytest.raises(ScorerError, match=told):
        list_models(answering(status, body))


def test_only_servers_that_may_be_called_are_asked() -> None:
    with pytest.raises(ConfigError, match="may not be called"):
        list_models("http://127.0.0.1:9")
    assert all(str(allowed_address(url).port) in url for url in usual_urls().values())
    assert "Ollama" in usual_urls()
