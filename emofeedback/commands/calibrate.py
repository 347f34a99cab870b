"""`python -m emofeedback calibrate PICTURES`: fits a scorer's readings to human ratings."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..reading.calibration import (
    CALIBRATION_FILE,
    AxisFit,
    CalibrationFit,
    fit_calibration,
    save_calibration,
)
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
    add_reading_arguments(parser)
    parser.add_argument(
        "--out", type=Path, default=Path(CALIBRATION_FILE), help="the JSON file to write"
    )
    parser.add_argument("--name", default="", help="shown in readings; default: the file's name")


def run(options: argparse.Namespace) -> int:
    """Reads, fits, shows the table and writes the file."""
    pictures = rated_pictures(options.pictures, scale=options.scale, most=options.most)
    scorer = chosen_scorer(vars(options))
    settings = {name: getattr(options, name) for name in SCORER_SETTINGS}
    kept = kept_readings(options.out, scorer, settings)
    pictures, readings = read_all(scorer, pictures, kept=kept, unreadable=options.unreadable)
    fit = fit_calibration(
        options.name or options.out.stem,
        [(p.emotion.valence, p.emotion.arousal) for p in pictures],
        [(r.emotion.valence, r.emotion.arousal) for r in readings],
        [p.theme for p in pictures],
        [r.uncertainty for r in readings],
    )
    log.info("%s", fit_table(fit))
    save_calibration(fit, options.out, scorer=scorer.name, pictures=options.pictures.name)
    log.info("Written to %s.", options.out)
    return 0


def fit_table(fit: CalibrationFit) -> str:
    """What the calibration is worth, one line an axis."""
    lines = [
        "axis        r  Spearman   MAE before   after (held-out themes)   always 0   always mean"
    ]
    for name, axis in (("valence", fit.valence), ("arousal", fit.arousal)):
        lines.append(_line(name, axis))
    scale, offset = fit.calibration.scale, fit.calibration.offset
    lines.append(
        f"valence = {scale[0]:.3f} * reading {offset[0]:+.3f}, "
        f"arousal = {scale[1]:.3f} * reading {offset[1]:+.3f}, {fit.valence.count} pictures"
    )
    left = fit.calibration.unexplained
    lines.append(
        f"A calibrated reading's spread grows by what is left unexplained: valence {left[0]:.2f}, "
        f"arousal {left[1]:.2f}, added in squares"
    )
    return "\n".join(lines)


def _line(name: str, fit: AxisFit) -> str:
    return (
        f"{name:7} {fit.pearson:+5.2f}     {fit.spearman:+5.2f}         {fit.error_before:4.2f}"
        f"                      {fit.error_after:4.2f}       {fit.constant_error:4.2f}"
        f"              {fit.mean_error:4.2f}"
    )
