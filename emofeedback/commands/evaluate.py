"""`python -m emofeedback evaluate scorer PICTURES`: a scorer against human ratings."""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..plane.metrics import axis_metrics
from ..reading.calibration import pearson
from ..reading.rated import RatedPicture
from ..records.reading import Reading
from .reading import (
    SCORER_SETTINGS,
    add_reading_arguments,
    chosen_scorer,
    kept_readings,
    rated_pictures,
    read_all,
)

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("what", choices=["scorer"])
    add_reading_arguments(parser)
    parser.add_argument("--calibration", type=Path, help="a file that calibrate wrote")
    parser.add_argument("--json", type=Path, help="also write numbers and readings to this file")


def run(options: argparse.Namespace) -> int:
    """Reads and shows the table."""
    pictures = rated_pictures(options.pictures, scale=options.scale, most=options.most)
    scorer = chosen_scorer(vars(options))
    kept = None
    if options.json:
        settings = {name: getattr(options, name) for name in (*SCORER_SETTINGS, "calibration")}
        kept = kept_readings(options.json, scorer, settings)
    pictures, readings = read_all(scorer, pictures, kept=kept, unreadable=options.unreadable)
    measured = {axis: agreement(pictures, readings, axis) for axis in ("valence", "arousal")}
    log.info("%s on %d pictures", scorer.name, len(pictures))
    log.info("axis        r  Spearman    MAE   always 0   within one sd (honest: 68 %)")
    for axis, found in measured.items():
        log.info(
            "%-7s %+5.2f     %+5.2f   %4.2f       %4.2f   %3.0f %%",
            axis,
            found["pearson"],
            found["spearman"],
            found["error"],
            found["constant_error"],
            100 * found["within_spread"],
        )
    if options.json:
        _write(options.json, scorer.name, measured, pictures, readings)
    return 0


def agreement(
    pictures: Sequence[RatedPicture], readings: Sequence[Reading], axis: str
) -> dict[str, float]:
    """One axis: correlations, errors, and how often the truth lies within the stated spread."""
    true = [getattr(picture.emotion, axis) for picture in pictures]
    read = [getattr(reading.emotion, axis) for reading in readings]
    index = ("valence", "arousal").index(axis)
    inside = [
        abs(t - r) <= reading.uncertainty[index]
        for t, r, reading in zip(true, read, readings, strict=True)
    ]
    return {
        "pearson": pearson(np.asarray(true), np.asarray(read)),
        "within_spread": float(np.mean(inside)),
        **asdict(axis_metrics(true, read)),
    }


def _write(
    path: Path,
    scorer: str,
    measured: dict[str, dict[str, float]],
    pictures: Sequence[RatedPicture],
    readings: Sequence[Reading],
) -> None:
    rows = [
        {
            "file": picture.path.name,
            "rated": [picture.emotion.valence, picture.emotion.arousal],
            "read": [reading.emotion.valence, reading.emotion.arousal],
        }
        for picture, reading in zip(pictures, readings, strict=True)
    ]
    record: dict[str, Any] = {"scorer": scorer, "readings": rows}
    for axis, found in measured.items():
        record[axis] = {k: None if math.isnan(v) else v for k, v in found.items()}
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
