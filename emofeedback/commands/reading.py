"""What the commands share: which scorer, which pictures, and reading them with progress."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError, ImageError, ScorerAnswerError, ScorerError
from ..images import load_picture
from ..reading.base import (
    Scorer,
)
from ..reading.calibration import load_calibration
from ..reading.kept import ENDING, KeptReadings, picture_digest
from ..reading.rated import RatedPicture, read_ratings
from ..reading.scorer import EXPECTED, WAYS, LvlmScorer
from ..records.files import check_writable
from ..records.reading import Reading

log = logging.getLogger(__name__)
EMBEDDED = "embedded"
UNREADABLE = 0.05
SCORER_SETTINGS = ("scorer", "model", "adapter", "reading", "encoder")
"""Options that readings depend on."""
SCALE_HELP = (
    "of the ratings: LOW..HIGH, or one an axis: -3..3,0..6; or a name as sam9; OASIS names its own"
)


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options that say what is read by whom."""
    parser.add_argument("pictures", type=Path, help="a table of ratings, or a folder with one")
    add_scorer_arguments(parser)
    parser.add_argument("--scale", default="", help=SCALE_HELP)
    parser.add_argument("--most", type=int, default=0, help="only the first N pictures; 0 is all")
    parser.add_argument(
        "--unreadable",
        type=float,
        default=UNREADABLE,
        help="share of the pictures that may have no reading; default: %(default)s",
    )


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


def chosen_scorer(options: Mapping[str, Any]) -> Scorer:
    """The scorer that the options of `add_scorer_arguments` name, and `calibration` if there."""
    return open_scorer(
        options["scorer"],
        way=options["reading"],
        calibration=options.get("calibration"),
        adapter=options["adapter"],
        model=options["model"],
        encoders=options["encoder"],
    )


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


def read_all(
    scorer: Scorer,
    pictures: Sequence[RatedPicture],
    *,
    kept: KeptReadings | None = None,
    unreadable: float = UNREADABLE,
) -> tuple[list[RatedPicture], list[Reading]]:
    """The pictures that could be read, and a reading of each, told as they come.

    Args:
        kept: readings of an earlier run are taken from it, new ones added.
        unreadable: share of the pictures that may have no reading; they are left out and told.
    Raises: ScorerAnswerError: more than that could not be read. ScorerError: the scorer cannot be
        asked. ConfigError: the readings cannot be kept.
    """
    found: list[tuple[RatedPicture, Reading]] = []
    unread: list[str] = []
    for number, picture in enumerate(pictures, 1):
        try:
            found.append((picture, _read(scorer, picture.path, kept)))
        except (ImageError, ScorerAnswerError) as error:
            unread.append(f"{picture.path.name}: {error}")
            log.warning("not read: %s", unread[-1])
            if len(unread) > unreadable * len(pictures):
                raise ScorerAnswerError(
                    f"{len(unread)} of {number} pictures could not be read, more than "
                    f"{unreadable:.0%} of all {len(pictures)}; the last one: {unread[-1]} Look at "
                    "the pictures and the scorer, or allow more with --unreadable."
                ) from error
        except ScorerError as error:
            raise type(error)(f"{error}{_how_to_go_on(kept)}") from error
        if sys.stderr.isatty() or number % 100 == 0 or number == len(pictures):
            sys.stderr.write(f"\r{number} of {len(pictures)} pictures read")
    sys.stderr.write("\n")
    if unread:
        log.info("%d of %d pictures could not be read and are left out", len(unread), len(pictures))
    readings = [reading for _, reading in found]
    told = [warning for reading in readings for warning in reading.warnings]
    for warning in dict.fromkeys(told):
        log.info("%d of %d pictures: %s", told.count(warning), len(readings), warning)
    return [picture for picture, _ in found], readings


def _read(scorer: Scorer, path: Path, kept: KeptReadings | None) -> Reading:
    try:
        digest = picture_digest(path)
    except OSError as error:
        raise ImageError(f"{path} cannot be opened ({error}).") from error
    reading = None if kept is None else kept.get(digest)
    if reading is None:
        (reading,) = scorer.score(load_picture(path))
        if kept is not None:
            kept.keep(digest, path.name, reading)
    return reading


def _how_to_go_on(kept: KeptReadings | None) -> str:
    if kept is None:
        return ""
    return f" The {len(kept)} readings so far are in {kept.path}: the same command goes on from it."


def kept_readings(out: Path, scorer: Scorer, settings: Mapping[str, object]) -> KeptReadings:
    """The readings beside an output, which is tried for writing, too.

    Args:
        settings: of the scorer; files and folders count with what lies in them.
    Raises: ConfigError: one of both cannot be written.
    """
    try:
        check_writable(out)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written ({error}). Choose another file.") from error
    told = [scorer.name, [(name, _stamp(value)) for name, value in sorted(settings.items())]]
    digest = hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()
    kept = KeptReadings(out.with_name(out.name + ENDING), digest)
    if len(kept):
        log.info("Going on from %d readings in %s.", len(kept), kept.path)
    return kept


def _stamp(value: object) -> object:
    """A setting, and the sizes and dates of the files that it names."""
    path = Path(str(value).partition(":")[2] or str(value)) if value else None
    if path is None or not path.exists():
        return value
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [value, [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]]
