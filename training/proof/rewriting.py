"""`python -m training.proof rewriting`: does a rewritten prompt paint nearer to the target?

Four pictures of a neutral prompt are read, the refiner rewrites it once, and eight pictures of each
prompt are painted from the same noises and judged. Pairs are kept one by one, so that a run that
was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emofeedback.embedded.scorer import load_lvlm, load_scorer
from emofeedback.errors import ConfigError
from emofeedback.loop.driver import run_loop
from emofeedback.loop.steps import start_loop
from emofeedback.plane.metrics import paired_difference
from emofeedback.reading.scorer import LvlmScorer
from emofeedback.records.emotion import Emotion
from emofeedback.records.files import write_json
from emofeedback.records.policy import LoopPolicy
from emofeedback.refining.base import Refiner
from emofeedback.refining.rules import RuleRefiner
from emofeedback.study.painters import Painter

from ..recipes.plan import ROOT
from ..world.judge import judge
from .loop import proof_pairs
from .trials import Pair

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)
READ, JUDGED = 4, 8
"""Pictures that the refiner sees, and pictures of each prompt that are judged."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=930_000)
    parser.add_argument(
        "--refiner", default="embedded",
        help="embedded, rules, or the folder of an embedded model, as RUN/scorer",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=20, help="of the sampler")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--run", dest="run_dir", type=Path, default=ROOT / "runs" / "rewriting",
        help="folder of the pairs, resumed if it exists",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Runs what is missing and tells the share that helped; 1 below 70 % or a mean not below 0."""
    import torch
    from tqdm import tqdm

    torch.set_num_threads(args.threads)
    refiner = refiner_named(args.refiner)
    args.run_dir.mkdir(parents=True, exist_ok=True)
    changes = []
    for index, pair in enumerate(tqdm(proof_pairs(args.pairs, args.seed), desc="pairs")):
        path = args.run_dir / f"{index:03d}-{_slug(args.refiner)}-{args.seed}.json"
        if not path.is_file():
            write_json(path, rewritten(pair, refiner, steps=args.steps))
        kept = json.loads(path.read_text(encoding="utf-8"))
        changes.append(kept["after"] - kept["before"])
    text, good = told(changes)
    log.info("%s: %s", args.refiner, text)
    return int(not good)


def told(changes: list[float]) -> tuple[str, bool]:
    """In words, and whether 70 % helped with a mean whose interval lies below 0."""
    found = paired_difference(changes, [0.0] * len(changes))
    helped = float(np.mean(np.asarray(changes) < 0))
    text = (
        f"{helped:.0%} of {len(changes)} rewritings helped; mean judged gap of {JUDGED} pictures "
        f"{found.mean:+.2f}, 95 % interval {found.low:+.2f} to {found.high:+.2f}"
    )
    return text, helped >= 0.7 and found.high < 0


def refiner_named(name: str) -> Refiner:
    """Raises: ConfigError: no such refiner. CheckpointError: the folder holds none."""
    if name == "rules":
        return RuleRefiner()
    if name == "embedded":
        return load_scorer().refiner()
    if not Path(name).is_dir():
        raise ConfigError(
            f"There is no refiner {name!r}. Name embedded, rules, or a folder such as RUN/scorer."
        )
    return LvlmScorer(load_lvlm(Path(name))).refiner()


def _slug(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name).strip("-")


def rewritten(pair: Pair, refiner: Refiner, *, steps: int) -> dict[str, object]:
    """Mean judged gap of the prompt before and after it was rewritten, same noises."""
    paint = Painter(None, steps=steps)
    policy = LoopPolicy(rounds=2, candidates=READ, tolerance=0.0)
    state = start_loop(pair.prompt, pair.target, policy, seed=pair.seed)
    after = next(run_loop(paint, load_scorer(), refiner, state)).prompt
    gaps = [
        float(gaps_of(paint([prompt] * JUDGED, pair.seed + 1), pair.target).mean())
        for prompt in (pair.prompt, after)
    ]
    return {
        "prompt": pair.prompt,
        "rewritten": after,
        "target": [pair.target.valence, pair.target.arousal],
        "before": gaps[0],
        "after": gaps[1],
    }


def gaps_of(images: Tensor, target: Emotion) -> np.ndarray:
    """[B] judged gap sizes of pictures [B, H, W, 3]."""
    seen = judge(images)
    return np.hypot(target.valence - seen.valence.numpy(), target.arousal - seen.arousal.numpy())
