"""`python -m emofeedback serve FOLDER`: a model folder as an OpenAI-compatible server, loopback.

For one machine and for tests: pictures, log-probabilities and JSON schemas, one answer at a time.
"""

from __future__ import annotations

import argparse
import json
import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..errors import ConfigError, EmoFeedbackError, ImageError
from ..lvlm.folder import load_folder
from ..lvlm.local import TransformersLvlm
from ..lvlm.server.allowed import LOOPBACK, USUAL_PORTS
from ..lvlm.serving import answer_chat, model_list, served_name

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
PORT = next(iter(USUAL_PORTS))
LARGEST = 64 * 2**20
"""Bytes of a request."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("folder", type=Path, help="a transformers folder, such as RUN/scorer")
    parser.add_argument("--adapter", type=Path, help="a peft adapter on top of the folder")
    parser.add_argument("--port", type=int, default=PORT, help="on this computer alone")


def run(options: argparse.Namespace) -> int:
    """Serves until it is interrupted."""
    server = open_server(load_folder(options.folder, adapter=options.adapter), options.port)
    host, port = server.server_address[:2]
    log.info(
        "Serving %s at http://%s:%s/v1 (model name: %s). Stop with Ctrl-C.",
        options.folder, host, port, server.model,
    )  # fmt: skip
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        log.info("Stopped.")
    finally:
        server.server_close()
    return 0


class ModelServer(ThreadingHTTPServer):
    """Answers chat requests with one model.

    Args:
        lvlm: takes turns by itself.
        port: 0 takes any that is free.
    """

    daemon_threads = True

    def __init__(self, lvlm: TransformersLvlm, port: int) -> None:
        self.lvlm, self.model = lvlm, served_name(lvlm)
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """Base address of the API."""
        return f"http://{HOST}:{self.server_address[1]}/v1"


def open_server(lvlm: TransformersLvlm, port: int = PORT) -> ModelServer:
    """A bound server; `serve_forever` answers.

    Raises: ConfigError: the port is taken or none.
    """
    try:
        return ModelServer(lvlm, port)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"Port {port} cannot be served ({error}). Choose another with --port; the usual ones "
            f"are {', '.join(map(str, USUAL_PORTS))}."
        ) from error


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def do_GET(self) -> None:
        """The list of models."""
        if not self._is_local():
            return
        if self.path.rstrip("/") == "/v1/models":
            self._send(200, model_list(self.server.lvlm))
        else:
            self._refuse(404, f"There is nothing at {self.path}. Known: /v1/models.")

    def do_POST(self) -> None:
        """A chat completion."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            self.close_connection = True
            self._refuse(413, f"A request has a length, at most {LARGEST} bytes.")
            return
        data = self.rfile.read(int(length))
        if not self._is_local():
            return
        if self.path.rstrip("/") != "/v1/chat/completions":
            self._refuse(404, f"There is nothing at {self.path}. Known: /v1/chat/completions.")
            return
        try:
            self._send(200, answer_chat(self.server.lvlm, json.loads(data)))
        except (ConfigError, ImageError, ValueError) as error:
            self._refuse(400, str(error))
        except EmoFeedbackError as error:
            self._refuse(500, str(error))

    def _is_local(self) -> bool:
        """Whether the page or program that asks meant this computer: names can be rebound."""
        host = self.headers.get("Host", "").rsplit(":", 1)[0].strip("[]")
        if host in LOOPBACK:
            return True
        self._refuse(403, f"This server answers to {', '.join(LOOPBACK)}, not to {host!r}.")
        return False

    def _refuse(self, status: int, message: str) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error"}})

    def _send(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Requests are not worth a line each."""
