"""`python -m training.world prove-edits`: does a loop of edits pay, against one pass at equal cost?

Drawn pictures, each of a mood of its own, shall feel like a target; every system edits the same
picture by image-to-image, as often, with the same seeds. The judge, which no system sees, measures
each edit; how much of the picture is kept is measured, too. Trials are kept one by one, so a
stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emofeedback.embedded import autoencoder
from emofeedback.embedded.clip import encode_text
from emofeedback.embedded.generator import load_generator, sample_latents
from emofeedback.embedded.scorer import load_scorer
from emofeedback.plane.metrics import paired_difference
from emofeedback.reading.editing import EditScorer
from emofeedback.records.emotion import Emotion
from emofeedback.study.report import study_tables
from emofeedback.study.runner import kept_trial
from emofeedback.study.systems import System
from emofeedback.study.trials import Shot, Trial, final_gap, run_trial

from ..recipes.plan import ROOT
from ..world.captions import neutral_prompt
from ..world.render.picture import render
from ..world.scene import Scene, sample_scene
from .loop import CLOSEST, spread_targets
from .trials import CONTENT_FLOOR, Pair, judge_of

log = logging.getLogger(__name__)
STEPS, FIRST = 20, 4
"""Of the sampler, and the one to begin with: most of the way back to noise."""
LOOP = "loop of edits"
SYSTEMS = (
    System(name="the artist's words, best of 8", rounds=2),
    System(
        name="instruction written once, best of 8",
        refiner="scorer",
        rewrite_first=True,
        refine_rounds=False,
        rounds=2,
    ),
    System(name=LOOP, refiner="scorer", rewrite_first=True, rounds=2),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the prove-edits command."""
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--start", type=int, default=0, help="the first pair, of several processes")
    parser.add_argument("--seed", type=int, default=170_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--run", dest="run_dir", type=Path, default=ROOT / "runs" / "prove-edits",
        help="folder of the trials, resumed if it exists",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Run what is missing, then show the tables; 1 if the loop's gap is not surely smaller."""
    from tqdm import tqdm

    torch.set_num_threads(options.threads)
    pairs = edit_pairs(options.start + options.pairs, options.seed)
    trials: dict[str, list[Trial]] = {system.name: [] for system in SYSTEMS}
    asked = range(options.start, options.start + options.pairs)
    for number in tqdm(asked, desc="pictures"):
        for system in SYSTEMS:
            trials[system.name].append(_kept(system, pairs[number], options.run_dir, number))
    log.info("\n%s", study_tables(trials, judge="the drawn world's judge", chooser="embedded"))
    log.info("\n%s", kept_table(trials))
    loop, first = trials[LOOP], trials[SYSTEMS[0].name]
    found = paired_difference(*([final_gap(t) for t in each] for each in (loop, first)))
    return int(found.high >= 0)


def edit_pairs(count: int, seed: int) -> list[Pair]:
    """Pictures of any mood, each with a target that is not near to it."""
    random = np.random.default_rng(seed)
    pairs = []
    for index, target in zip(range(count), spread_targets(), strict=False):
        scene = sample_scene(random, split=("train", "held_out")[index % 2])
        while target.gap_from(Emotion(*scene.emotion)).size < CLOSEST:
            scene = sample_scene(random, split=("train", "held_out")[index % 2])
        pairs.append(Pair(neutral_prompt(scene, random), target, seed + 100 * index, scene))
    return pairs


def kept_table(trials: dict[str, list[Trial]]) -> str:
    """Markdown: what of the picture each system's edit keeps, and the loop's minus the others'."""
    rows = ["| system | kept share | place | subject | loop minus it | 95 % |"]
    rows.append("| --- | --- | --- | --- | --- | --- |")
    kept = {name: [_chosen(t).content or 0.0 for t in each] for name, each in trials.items()}
    for name, each in trials.items():
        found = paired_difference(kept[LOOP], kept[name])
        place = np.mean([bool(_chosen(trial).place) for trial in each])
        subject = np.mean([bool(_chosen(trial).subject) for trial in each])
        rows.append(
            f"| {name} | {np.mean(kept[name]):.2f} | {place:.0%} | {subject:.0%} | "
            f"{found.mean:+.3f} | {found.low:+.3f} to {found.high:+.3f} |"
        )
    return "\n".join(rows)


def _chosen(trial: Trial) -> Shot:
    return trial.shots[trial.chosen[-1]]


def _kept(system: System, pair: Pair, folder: Path, number: int) -> Trial:
    picture = folder / f"{number:03d}-{system.name.replace(' ', '-')}.png"
    return kept_trial(picture, lambda: _trial(system, pair))


def _trial(system: System, pair: Pair) -> tuple[Trial, Tensor]:
    scorer = EditScorer(load_scorer(), _original(pair.scene))

    def paint(prompts: Sequence[str], seed: int) -> Tensor:
        return _edited(pair.scene, tuple(prompts), seed)

    return run_trial(system, pair, paint, scorer, judge_of(pair.scene), floor=CONTENT_FLOOR)


def _original(scene: Scene) -> Tensor:
    return torch.from_numpy(render(scene)).float()[None] / 255


@lru_cache(maxsize=8)
@torch.no_grad()
def _edited(scene: Scene, prompts: tuple[str, ...], seed: int) -> Tensor:
    """Image-to-image of a drawn picture, [B, H, W, 3]; systems that ask the same share it."""
    generator = load_generator()
    clean = autoencoder.encode(_original(scene)).expand(len(prompts), -1, -1, -1)
    latents = sample_latents(
        generator.transformer,
        encode_text(list(prompts)),
        encode_text([""]),
        torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)),
        steps=STEPS,
        guidance=3.0,
        shift=generator.config.shift,
        clean=clean,
        first=FIRST,
    )
    return autoencoder.decode(latents, half=True)
