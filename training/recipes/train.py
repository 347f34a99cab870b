"""`python -m training.world train ROLE`: makes the embedded models that the package ships."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

ROLES = ("autoencoder", "text_tower", "generator", "picture_tower", "lvlm", "foreign", "judge")
"""Modules of this package with `train(options)`; the generator and the picture tower need the
exported text tower."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the train command."""
    parser.add_argument("role", choices=ROLES, help="the model to train")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, help="training time, resumed parts included")
    budget.add_argument("--steps", type=int, help="optimiser steps: exactly repeatable")
    parser.add_argument("--size", type=int, help="side of the pictures in pixels")
    parser.add_argument("--pictures", type=int, help="drawings to learn from")
    parser.add_argument(
        "--run",
        dest="run_dir",
        type=Path,
        help="folder of the run, resumed if it exists; default: runs/embedded/ROLE",
    )
    parser.add_argument(
        "--start",
        type=Path,
        help="weights folder that a new autoencoder, text_tower, generator, judge or lvlm run "
        "starts from",
    )
    parser.add_argument(
        "--repainted",
        type=int,
        help="drawings that the generator repaints for the judge or the LVLM; 0: none, for a first "
        "part of the training while there is no generator",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--weights", type=Path, help="where --export writes; default: the package's weights folder"
    )
    parser.add_argument(
        "--export",
        action="store_true",
        help="write the weights at the end; with --steps 0 those of the run as it stands",
    )


def run(args: argparse.Namespace) -> None:
    """Train one model, or go on with its run."""
    train_role(**{name: value for name, value in vars(args).items() if name in _ARGUMENTS})


_ARGUMENTS = (
    "role", "minutes", "steps", "size", "pictures", "run_dir", "start", "repainted", "seed",
    "threads", "weights", "export",
)  # fmt: skip


def train_role(
    role: str, *, run_dir: Path | None = None, weights: Path | None = None, **budget: Any
) -> None:
    """Train one model of `ROLES`, or go on with its run.

    Args:
        run_dir: None: runs/embedded/ROLE.
        weights: where finished weights go; None: the package's own folder.
        budget: further fields of `RunOptions`.
    """
    from ..runs.run import ROOT, RunOptions

    package = ROOT / "training" / "world" if role == "judge" else ROOT / "emofeedback" / "embedded"
    options = RunOptions(
        run_dir=run_dir or ROOT / "runs" / "embedded" / role,
        weights=weights or package / "weights",
        **budget,
    )
    importlib.import_module(f"training.recipes.{role}").train(options)
