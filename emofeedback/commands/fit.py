"""`python -m emofeedback fit RATED --encoder ENCODER --out HEAD.safetensors`: a head for photos."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..embedded.examples import drawn_examples
from ..embedded.foreign import load_detector
from ..embedded.picture_encoder import open_any_encoder
from ..images import load_picture
from ..reading.calibration import FOLDS
from ..reading.encoders import HOW_TO_NAME, Encoder, encode
from ..reading.features import picture_features
from ..reading.head_fit import fit_head, hold_out
from ..reading.head_worth import colour_statistics, worth, worth_table
from ..reading.heads import save_head
from ..reading.outliers import outlier_pictures
from ..reading.preprocessing import probe
from ..reading.rated import RatedPicture
from .reading import SCALE_HELP, rated_pictures

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("pictures", type=Path, help="a table of ratings, or a folder with one")
    parser.add_argument("--encoder", action="append", required=True, help=HOW_TO_NAME)
    parser.add_argument("--out", type=Path, required=True, help="the head's .safetensors")
    parser.add_argument("--scale", default="", help=SCALE_HELP)
    parser.add_argument("--most", type=int, default=0, help="only the first N pictures; 0 is all")
    parser.add_argument("--seed", type=int, default=0, help="of the folds")
    parser.add_argument(
        "--licence",
        default="Not to be passed on unless the pictures, their ratings and the encoder allow it.",
        help="a note that the file carries",
    )


def run(options: argparse.Namespace) -> int:
    """Reads, fits, shows the table and writes the file."""
    pictures = rated_pictures(options.pictures, scale=options.scale, most=options.most)
    encoders = [open_any_encoder(spec) for spec in options.encoder]
    blocks = [
        picture_features(
            encoder,
            pictures,
            options.out.with_suffix(f".features-{encoder.digest[:8]}.safetensors"),
            _progress,
        )
        .double()
        .numpy()
        for encoder in encoders
    ]
    with torch.inference_mode():
        outliers = np.concatenate([_features(encoders, made) for made in strangers(pictures)])
        known = _features(encoders, probe())[0]
    ratings = np.array([(p.emotion.valence, p.emotion.arousal) for p in pictures])
    themes = [picture.theme for picture in pictures]
    colours = torch.cat([colour_statistics(load_picture(p.path)) for p in pictures])
    held = hold_out(blocks, ratings, themes, outliers, seed=options.seed)
    found = worth(ratings, held.read, held.spread, colours.double().numpy(), themes, options.seed)
    log.info("%d pictures, %d themes; what follows is on themes that were held out.",
             len(pictures), len(set(themes)))  # fmt: skip
    log.info("%s", worth_table(found))
    log.info("Held-out pictures warned of as foreign: %.1f %%", 100 * held.foreign.mean())
    facts = {
        "encoders": [encoder.as_dict() for encoder in encoders],
        "data": options.pictures.name,
        "pictures": len(pictures),
        "themes": len(set(themes)),
        "folds": f"{FOLDS} by theme, seed {options.seed}; the choice by {FOLDS} more inside each",
        "scores": {axis: values.as_dict() for axis, values in found.items()},
        "scale": "[-3, 3]",
        "licence": options.licence,
    }
    head = fit_head(blocks, ratings, themes, outliers, known, facts, seed=options.seed)
    save_head(head, options.out)
    log.info("Chosen: %s. Written to %s.", ", ".join(head.facts["forms"]), options.out)
    return 0


def strangers(pictures: Sequence[RatedPicture]) -> list[Tensor]:
    """What the head should know as foreign: noise and shapes, and drawn pictures unless rated."""
    shown = [load_picture(picture.path) for picture in pictures[:: max(1, len(pictures) // 50)]]
    photographs = np.mean([load_detector().foreign(image)[0] for image in shown]) > 0.5
    return [outlier_pictures(), drawn_examples()] if photographs else [outlier_pictures()]


def _features(encoders: Sequence[Encoder], images: Tensor) -> NDArray[np.float64]:
    return np.asarray(torch.cat(encode(encoders, images), 1).double().numpy())


def _progress(number: int, total: int) -> None:
    if sys.stderr.isatty() or number % 100 == 0 or number == total:
        sys.stderr.write(f"\r{number} of {total} pictures encoded" + "\n" * (number == total))
