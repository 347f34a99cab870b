"""`python -m training.proof cues`: are the cues that a reading names in the picture?

The embedded model explains generated pictures; the judge, which is no scorer, says which cue of
each family it sees there. Precision counts the named cues that are seen.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from emofeedback.embedded.scorer import load_scorer
from emofeedback.reading.base import Scorer
from emofeedback.refining.cues import FAMILIES
from emofeedback.refining.kept_words import with_clause
from emofeedback.refining.rules import affect_phrase
from emofeedback.study.painters import Painter

from ..world.judge import judge
from .loop import proof_pairs

log = logging.getLogger(__name__)
BAR = 0.9
FAMILY_OF = {level.label.casefold(): name for name, levels in FAMILIES.items() for level in levels}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--seed", type=int, default=940_000)
    parser.add_argument("--steps", type=int, default=20, help="of the sampler")
    parser.add_argument("--threads", type=int, default=2)


def run(args: argparse.Namespace) -> int:
    """Paints, explains and counts; 1 below a precision of 0.9."""
    import torch
    from tqdm import tqdm

    torch.set_num_threads(args.threads)
    paint, scorer = Painter(None, steps=args.steps), load_scorer()
    named: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for pair in tqdm(proof_pairs(args.pictures, args.seed), desc="pictures"):
        # every other one of a prompt that says how it should feel
        words = affect_phrase(pair.target) if pair.seed % 200 else ""
        image = paint([with_clause(pair.prompt, words)], pair.seed)
        for family, seen in named_and_seen(image, scorer):
            named[family] += 1
            there[family] += seen
    text, precision = precision_table(named, there)
    log.info("%s", text)
    return int(precision < BAR)


def named_and_seen(image: Tensor, scorer: Scorer) -> list[tuple[str, bool]]:
    """Family of each cue that a reading of a picture [1, H, W, 3] names, and whether the judge sees
    that very cue; "unknown" for what is no cue of the table."""
    seen = [
        levels[int(number)].label.casefold()
        for number, levels in zip(judge(image).cues[0], FAMILIES.values(), strict=True)
    ]
    names = [cue.name.casefold() for cue in scorer.explain(image)[0].cues]
    return [(FAMILY_OF.get(name, "unknown"), name in seen) for name in names]


def precision_table(named: Counter[str], there: Counter[str]) -> tuple[str, float]:
    """Markdown, and the precision over all; NaN where nothing was named."""
    rows = ["| family | named | seen by the judge | precision |", "| --- " * 4 + "|"]
    everything: Sequence[tuple[str, int, int]] = [
        *((family, named[family], there[family]) for family in sorted(named)),
        ("all", named.total(), there.total()),
    ]
    for family, count, seen in everything:
        share = seen / count if count else np.nan
        rows.append(f"| {family} | {count} | {seen} | {share:.2f} |")
    total = named.total()
    return "\n".join(rows), there.total() / total if total else float("nan")
