"""What the commands share: which scorer, which pictures, and reading them with progress."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigError
from ..images import load_picture
from ..reading.base import (
    Scorer,
)
from ..reading.calibration import load_calibration
from ..reading.rated import RatedPicture, read_ratings
from ..reading.scorer import EXPECTED, WAYS, LvlmScorer
from ..records.reading import (
    Reading,
)

log = logging.getLogger(__name__)
EMBEDDED = "embedded"
SCALE_HELP = (
    "of the ratings: LOW..HIGH, or one an axis: -3..3,0..6; or a name as sam9; OASIS names its own"
)


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options that say what is read by whom."""
    parser.add_argument("pictures", type=Path, help="a table of ratings, or a folder with one")
    add_scorer_arguments(parser)
    parser.add_argument("--scale", default="", help=SCALE_HELP)
    parser.add_argument("--most", type=int, default=0, help="only the first N pictures; 0 is all")


def add_scorer_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options that say who reads."""
    parser.add_argument(
        "--scorer",
        default=EMBEDDED,
        help="embedded; folder:PATH (transformers); server:URL (with --model); or head:FILE",
    )
    parser.add_argument(
        "--encoder", action="append", default=[], help="of a head, where it does not lie beside it"
    )
    parser.add_argument("--model", default="", help="the model's name on the server")
    parser.add_argument("--adapter", type=Path, help="a peft adapter on top of the folder")
    parser.add_argument("--reading", choices=WAYS, default=EXPECTED)


def open_scorer(
    spec: str,
    *,
    way: str = EXPECTED,
    calibration: Path | None = None,
    adapter: Path | None = None,
    model: str = "",
    encoders: Sequence[str] = (),
) -> Scorer:
    """The scorer that is named on a command line.

    Args:
        spec: "embedded", "folder:PATH", "server:URL" or "head:FILE".
        calibration: of its readings; a head has its own.
        adapter: a LoRA on top of a folder's model.
        model: its name on a server.
        encoders: of a head.
    Raises: ConfigError: unknown kind. CheckpointError, ScorerError: it cannot be loaded.
    """
    kind, _, where = spec.partition(":")
    fitted = None if calibration is None else load_calibration(calibration)
    if kind == EMBEDDED and not where:
        from ..embedded.scorer import embedded_scorer

        return embedded_scorer(fitted)
    if kind == "folder" and where:
        from ..lvlm.folder import load_folder

        lvlm = load_folder(Path(where), adapter=adapter)
        return LvlmScorer(lvlm, way=way, calibration=fitted)
    if kind == "server" and where:
        from ..lvlm.server.endpoint import open_endpoint

        return LvlmScorer(open_endpoint(where, model), way=way, calibration=fitted)
    if kind == "head" and where and fitted is None:
        from ..embedded.picture_encoder import open_any_encoder
        from ..reading.head_scorer import open_head

        return open_head(Path(where), encoders, open_any_encoder)
    raise ConfigError(
        f"The scorer is {spec!r}. Write embedded, folder:PATH, server:URL, or head:FILE "
        "(a head is calibrated already)."
    )


def rated_pictures(path: Path, *, scale: str, most: int) -> list[RatedPicture]:
    """The pictures of a table of ratings; the first `most`, or all for 0."""
    found = read_ratings(path, scale=scale)
    return found[:most] if most else found


def read_all(scorer: Scorer, pictures: Sequence[RatedPicture]) -> list[Reading]:
    """One reading a picture, with progress on standard error; then what they warn of, counted."""
    readings: list[Reading] = []
    for number, picture in enumerate(pictures, 1):
        readings += scorer.score(load_picture(picture.path))
        if sys.stderr.isatty() or number % 100 == 0 or number == len(pictures):
            sys.stderr.write(f"\r{number} of {len(pictures)} pictures read")
    sys.stderr.write("\n")
    told = [warning for reading in readings for warning in reading.warnings]
    for warning in dict.fromkeys(told):
        log.info("%d of %d pictures: %s", told.count(warning), len(readings), warning)
    return readings
