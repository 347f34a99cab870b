"""`python -m emofeedback rate RUN`: people rate a study's pictures, blind, on a local page.

Two pictures of a pair, of which one feels more like the target, and single ones, whose feeling is
marked on the plane. Answers go to RUN/ratings.csv; whoever comes back under the same name goes on.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ..errors import ConfigError, EmoFeedbackError
from ..images import from_png, to_png
from ..plane.words import nearest_words
from ..records.emotion import Emotion
from ..records.files import parsed
from ..study.ratings import (
    TABLE,
    Question,
    add_rating,
    answered,
    questions_for,
    rating_of,
    shown_pictures,
)
from .local_server import HOST, LocalHandler

log = logging.getLogger(__name__)
PAGE = Path(__file__).parents[1] / "study" / "rating_page"
KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}
PORT = 8765
TOKEN = "X-Emofeedback-Token"
"""Header of a secret that only our page knows: other pages can neither read it nor send it."""
LARGEST_ANSWER = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("study", metavar="RUN", type=Path, help="the folder of a study")
    parser.add_argument("--port", type=int, default=PORT, help="on this computer alone; 0: any")


def run(options: argparse.Namespace) -> int:
    """Serves until it is interrupted."""
    with open_page(options.study, options.port) as server:
        log.info("Rate at %s. Stop with Ctrl-C.", server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            log.info("Stopped.")
    return 0


class RatingServer(ThreadingHTTPServer):
    """Asks raters about the pictures of one study.

    Args:
        run: its folder.
    Raises: ConfigError: no study with pictures is there.
    """

    daemon_threads = True

    def __init__(self, run: Path, port: int) -> None:
        self.run, self.shown = run, shown_pictures(run)
        self.token, self.lock = secrets.token_urlsafe(), threading.Lock()
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def questions(self, rater: str) -> list[Question]:
        """Those of a rater, in their order. Raises: ConfigError: no name."""
        return questions_for(rater, self.shown)


def open_page(run: Path, port: int = PORT) -> RatingServer:
    """A bound server; `serve_forever` answers.

    Raises: ConfigError: no study there, or the port is taken.
    """
    try:
        return RatingServer(run, port)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"Port {port} cannot be served ({error}). Choose another with --port."
        ) from error


class _Handler(LocalHandler):
    server: RatingServer

    def do_GET(self) -> None:  # noqa: N802  the name that http.server asks for
        """The page's files, /next?rater=NAME, /picture?rater=NAME&question=N&place=0."""
        if not self.is_local():
            return
        address = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        try:
            if address.path == "/next":
                self._next(asked.get("rater", ""))
            elif address.path == "/picture":
                self._picture(asked)
            else:
                self._file(address.path.strip("/") or "index.html")
        except (EmoFeedbackError, ValueError, IndexError) as error:
            self.refuse(400, str(error))
        except OSError as error:
            self.refuse(500, f"The study cannot be read ({error}).")

    def do_POST(self) -> None:  # noqa: N802
        """/answer: {"rater", "question", and "choice" or "valence" and "arousal"}."""
        data = self.body(LARGEST_ANSWER)
        if data is None or not self.is_local():
            return
        shown = self.headers.get(TOKEN, "").encode()
        if not secrets.compare_digest(shown, self.server.token.encode()):
            self.refuse(403, "This answer does not come from the page. Load the page anew.")
            return
        try:
            answer = parsed(data)
            rater, number = str(answer["rater"]), int(answer["question"])
            question = self.server.questions(rater)[number]
            rating = rating_of(rater, question, answer)
            with self.server.lock:
                if question.key not in answered(self.server.run, rater):
                    add_rating(self.server.run, rating)
        except (EmoFeedbackError, ValueError, TypeError, LookupError) as error:
            self.refuse(400, str(error))
        except OSError as error:
            self.refuse(500, f"The answer could not be written ({error}). Close {TABLE} elsewhere.")
        else:
            self.send(200, {})

    def _next(self, rater: str) -> None:
        questions = self.server.questions(rater)
        with self.server.lock:
            done = answered(self.server.run, rater)
        number = next((n for n, each in enumerate(questions) if each.key not in done), None)
        told: dict[str, object] = {"done": len(done), "of": len(questions), "question": number}
        if number is not None:
            shown = questions[number].shown
            target = shown[0].target
            told |= {"pictures": len(shown), "target": _felt(target), "prompt": shown[0].prompt}
        self.send(200, told)

    def _picture(self, asked: dict[str, str]) -> None:
        question = self.server.questions(asked.get("rater", ""))[int(asked.get("question", ""))]
        shown = question.shown[int(asked.get("place", ""))]
        # names and metadata of files name systems: only the pixels leave this program
        self.send_data(
            200,
            to_png(from_png(shown.picture.read_bytes())),
            "image/png",
            Cache_Control="no-store",
            Cross_Origin_Resource_Policy="same-origin",
        )

    def _file(self, name: str) -> None:
        path = PAGE / name
        if path.parent != PAGE or path.suffix not in KINDS or not path.is_file():
            self.refuse(404, f"There is nothing at {self.path}.")
            return
        data = path.read_bytes().replace(b"{{token}}", self.server.token.encode())
        policy = "default-src 'self'; frame-ancestors 'none'; form-action 'none'"
        self.send_data(
            200,
            data,
            KINDS[path.suffix],
            Content_Security_Policy=policy,
            X_Content_Type_Options="nosniff",
            Cross_Origin_Resource_Policy="same-origin",
            Referrer_Policy="no-referrer",
        )


def _felt(target: Emotion) -> dict[str, object]:
    words = ", ".join(nearest_words(target, 2))
    return {"valence": target.valence, "arousal": target.arousal, "words": words}
