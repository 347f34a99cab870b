"""`python -m training.proof loop`: does the loop pay, against best-of-N at equal pictures?

Every system gets the same pairs of prompt and target and the same seeds, by words alone but for
those that say otherwise. The judge, which no system sees, measures every picture. Trials are kept
one by one in a file, so a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from emofeedback.records.emotion import Emotion
from emofeedback.records.files import write_json
from emofeedback.study.runner import kept_trial
from emofeedback.study.systems import System
from emofeedback.study.trials import Trial

from ..recipes.plan import ROOT
from ..world.captions import neutral_prompt
from ..world.scene import NEUTRAL_CUES, Scene, sample_scene
from .oracles import ORACLES
from .power import pilot_table
from .report import (
    COMPARISONS,
    comparison_table,
    cue_table,
    difference_table,
    picture_path,
    round_table,
    save_curves,
    save_pictures,
    system_table,
)
from .trials import OWN_PROMPT, SYSTEMS, Pair, run_trial

log = logging.getLogger(__name__)
NUM_PAIRS = 60
REACH = 2.6
"""Targets cover the plane evenly to this distance from neutral on each axis."""
CLOSEST = 0.8
"""Nearer to neutral a neutral prompt is an answer, and nothing can be shown."""
STRIDE = (0.7548776662466927, 0.5698402909980532)
"""Steps of the two-dimensional golden-ratio sequence, whose points keep apart from each other."""
PILOT_PAIRS, PILOT_SEED = 20, 500_000
"""Of the pilot: how many, and how far its seeds lie from the proof's."""
PILOT_FILE = "pilot.json"
SHOWN = 6
"""Pairs whose pictures are kept for the sheet."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--pairs", type=int, help=f"default: what the pilot asks for, {NUM_PAIRS} without one"
    )
    parser.add_argument(
        "--pilot", action="store_true",
        help="run 20 other pairs first, and write down how many each comparison needs",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=130_000)
    parser.add_argument(
        "--oracles", action="store_true", help="also with reader, refiner or aim that know"
    )
    parser.add_argument(
        "--own-prompt", action="store_true", help="also loops whose first prompt is not rewritten"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--run", dest="run_dir", type=Path, default=ROOT / "runs" / "prove-loop",
        help="folder of the trials, resumed if it exists",
    )  # fmt: skip
    parser.add_argument("--plots", type=Path, help="folder for the curves and the picture sheet")


def run(args: argparse.Namespace) -> int:
    """Run what is missing, then show the tables; 1 if a loop does not beat both best-of-12."""
    import torch

    torch.set_num_threads(args.threads)
    systems = SYSTEMS + (OWN_PROMPT if args.own_prompt else ())
    systems += ORACLES if args.oracles else ()
    if args.pilot:
        return _pilot(systems, args.run_dir, args.seed + PILOT_SEED)
    pairs = proof_pairs(args.pairs or _asked_for(args.run_dir), args.seed)
    by_system = _all_trials(systems, pairs, args.run_dir)
    log.info("\n%s", system_table(by_system))
    table, won = difference_table(by_system)
    log.info("\n%s", table)
    log.info("\n%s", comparison_table(by_system))
    log.info("\n%s", round_table(by_system))
    log.info("\n%s", cue_table(by_system))
    if args.plots:
        save_curves(by_system, args.plots / "loop-curves.png")
        save_pictures(args.run_dir, pairs[:SHOWN], systems, args.plots / "loop-pictures.jpg")
    return int(not won)


def _pilot(systems: Sequence[System], run_dir: Path, seed: int) -> int:
    """Runs the pilot and writes how many pairs the proof needs."""
    trials = _all_trials(systems, proof_pairs(PILOT_PAIRS, seed), run_dir / "pilot")
    names = {system.name for system in systems}
    table, pairs = pilot_table(trials, [each for each in COMPARISONS if names >= set(each)])
    write_json(run_dir / PILOT_FILE, {"pairs": pairs, "seed": seed, "table": table.splitlines()})
    log.info("\n%s\nThe proof takes %d pairs.", table, pairs)
    return 0


def _asked_for(run_dir: Path) -> int:
    """Pairs that the pilot asked for."""
    path = run_dir / PILOT_FILE
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return int(found.get("pairs", NUM_PAIRS))


def _all_trials(
    systems: Sequence[System], pairs: Sequence[Pair], run_dir: Path
) -> dict[str, list[Trial]]:
    from tqdm import tqdm

    run_dir.mkdir(parents=True, exist_ok=True)
    trials: dict[str, list[Trial]] = {system.name: [] for system in systems}
    for index, pair in enumerate(tqdm(pairs, desc="pairs")):
        for system in systems:
            trials[system.name].append(_trial(system, pair, run_dir, index))
    return trials


def proof_pairs(count: int, seed: int) -> list[Pair]:
    """Contents by lot, every other one a held-out pair, and targets spread over the plane."""
    random = np.random.default_rng(seed)
    spread = spread_targets()
    targets = list(
        itertools.islice((t for t in spread if math.hypot(t.valence, t.arousal) >= CLOSEST), count)
    )
    pairs = []
    for index, target in enumerate(targets):
        drawn = sample_scene(random, split=("train", "held_out")[index % 2])
        scene = Scene(drawn.place, drawn.subject, NEUTRAL_CUES, drawn.seed)
        prompt = neutral_prompt(scene, random)
        pairs.append(Pair(prompt, target, seed + 100 * index, scene))
    return pairs


def spread_targets() -> Iterator[Emotion]:
    """Points all over the plane, to `REACH` on each axis, each far from those before it."""
    for step in itertools.count(1):
        valence, arousal = ((2 * ((0.5 + step * stride) % 1) - 1) * REACH for stride in STRIDE)
        yield Emotion(round(valence, 2), round(arousal, 2))


def _trial(system: System, pair: Pair, run_dir: Path, index: int) -> Trial:
    picture = picture_path(run_dir, index, system)
    return kept_trial(picture, lambda: run_trial(system, pair), with_picture=index < SHOWN)
