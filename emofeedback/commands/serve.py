"""`python -m emofeedback serve FOLDER`: a model folder as an OpenAI-compatible server, loopback.

For one machine and for tests: pictures, log-probabilities and JSON schemas, one answer at a time.
"""

from __future__ import annotations

import argparse
import logging
from http.server import ThreadingHTTPServer
from pathlib import Path

from ..errors import ConfigError, EmoFeedbackError, ImageError
from ..lvlm.folder import load_folder
from ..lvlm.local import TransformersLvlm
from ..lvlm.server.allowed import USUAL_PORTS
from ..lvlm.serving import answer_chat, model_list, served_name
from ..records.files import parsed
from .local_server import HOST, LocalHandler

log = logging.getLogger(__name__)
PORT = next(iter(USUAL_PORTS))


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


class _Handler(LocalHandler):
    server: ModelServer

    def do_GET(self) -> None:  # noqa: N802  the name that http.server asks for
        """The list of models."""
        if not self.is_local():
            return
        if self.path.rstrip("/") == "/v1/models":
            self.send(200, model_list(self.server.lvlm))
        else:
            self.refuse(404, f"There is nothing at {self.path}. Known: /v1/models.")

    def do_POST(self) -> None:  # noqa: N802
        """A chat completion."""
        data = self.body()
        if data is None or not self.is_local():
            return
        if self.path.rstrip("/") != "/v1/chat/completions":
            self.refuse(404, f"There is nothing at {self.path}. Known: /v1/chat/completions.")
            return
        try:
            self.send(200, answer_chat(self.server.lvlm, parsed(data)))
        except (ConfigError, ImageError, ValueError) as error:
            self.refuse(400, str(error))
        except EmoFeedbackError as error:
            self.refuse(500, str(error))
