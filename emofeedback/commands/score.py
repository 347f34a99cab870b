"""`python -m emofeedback score FOLDER --out scores.csv`: the emotion of every picture in it."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from ..errors import ImageError
from ..pictures.metadata import write_note
from ..pictures.sheet import SORTED, folder_sheet
from ..reading.folder import Scored, score_folder
from .reading import add_scorer_arguments, chosen_scorer

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("folder", type=Path, help="its pictures, those of folders in it, too")
    parser.add_argument("--out", type=Path, required=True, help="the table (CSV); gone on with")
    add_scorer_arguments(parser)
    parser.add_argument("--calibration", type=Path, help="of the readings, from `calibrate`")
    parser.add_argument("--prompt", default="", help="what the pictures should show: content")
    parser.add_argument("--explain", action="store_true", help="also name visible causes; slower")
    parser.add_argument("--sheet", type=Path, help="a contact sheet (PNG), sorted over the plane")
    parser.add_argument(
        "--write-metadata", action="store_true", help="also into each PNG or JPEG; pixels stay"
    )


def run(options: argparse.Namespace) -> int:
    """Reads, writes and names what failed; 1 where something did."""
    scorer = chosen_scorer(vars(options))
    scored = []
    for each in score_folder(
        options.folder,
        options.out,
        scorer,
        prompt=options.prompt,
        explain=options.explain,
        tick=_progress,
    ):
        scored.append(each)
        if options.write_metadata and each.reading is not None:
            _note(each)
    sys.stderr.write("\n")
    failed = [each for each in scored if each.emotion is None]
    for each in failed:
        log.error("%s: %s", each.row["picture"], each.row["error"])
    if options.sheet is not None:
        folder_sheet([(s.path, s.emotion) for s in scored if s.emotion], SORTED).save(options.sheet)
    old = sum(each.reading is None for each in scored) - len(failed)
    log.info("%d pictures in %s: %d read now, %d before, %d failed.", len(scored), options.out,
             len(scored) - old - len(failed), old, len(failed))  # fmt: skip
    return 1 if failed else 0


def _note(scored: Scored) -> None:
    try:
        write_note(scored.path, scored.row)
    except (ImageError, OSError) as error:
        log.warning("%s: no note was written: %s", scored.row["picture"], error)


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty() or done % 100 == 0 or done == total:
        sys.stderr.write(f"\r{done} of {total} pictures")
