"""`python -m training.world loop-gap`: does the default loop bring the judged emotion nearer?

Runs the loop in this process on twelve pairs of prompt and target, by words alone. The judge, which
the loop never sees, measures the final best picture against the first round's best: the mean of the
paired differences of gap size with its bootstrap interval says whether the loop works.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from emofeedback.embedded import generator
from emofeedback.embedded.scorer import load_scorer
from emofeedback.emotion import Emotion
from emofeedback.images import from_png
from emofeedback.loop import run_loop, start_loop
from emofeedback.metrics import PairedDifference, paired_difference
from emofeedback.refining import Refiner
from emofeedback.rules import RuleRefiner
from emofeedback.state import LoopPolicy, LoopState

from .judge import judge

log = logging.getLogger(__name__)

# Twelve directions and strengths over the whole plane, each with a content of its own.
PAIRS: tuple[tuple[str, float, float], ...] = (
    ("a boat on the sea", -2.0, 2.0),
    ("a dog on the beach", 2.5, 1.5),
    ("a tree in the forest", -2.0, -1.5),
    ("a house in the village", 2.0, -2.0),
    ("a person in the city", -1.5, 2.5),
    ("a cat in a meadow", 2.5, 0.0),
    ("a bird in the mountains", 0.5, 2.5),
    ("a car in the desert", -2.5, 0.5),
    ("a horse on the snowfield", 0.0, -2.5),
    ("a lighthouse on the sea", -2.5, -2.0),
    ("a bicycle by the lake", 1.5, -1.5),
    ("a sunflower in the village", 2.0, 2.5),
)


@dataclass(frozen=True)
class Outcome:
    """One loop, measured by the judge and by the loop's own scorer: gap sizes."""

    prompt: str
    target: Emotion
    rounds: int
    stop_reason: str
    judged_first: float
    judged_final: float
    read_first: float
    read_final: float
    final_prompt: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the loop-gap command."""
    parser.add_argument("--rounds", type=int, default=LoopPolicy().rounds)
    parser.add_argument("--candidates", type=int, default=LoopPolicy().candidates)
    parser.add_argument("--refiner", choices=("embedded", "rules", "none"), default="embedded")
    parser.add_argument("--steps", type=int, default=20, help="sampler steps a picture")
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=1, help="loops a pair, other seeds each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the outcomes to this file")


def run(args: argparse.Namespace) -> int:
    """Run the loops and show what came out; 1 if the interval holds 0."""
    torch.set_num_threads(args.threads)
    policy = LoopPolicy(rounds=args.rounds, candidates=args.candidates)
    paint = painter(steps=args.steps, guidance=args.guidance)
    outcomes = []
    for index, (prompt, valence, arousal) in enumerate(PAIRS * args.repeats):
        state = start_loop(prompt, Emotion(valence, arousal), policy, seed=args.seed + 100 * index)
        outcome = one_loop(state, paint, args.refiner, steps=args.steps)
        log.info("%s", line(outcome))
        outcomes.append(outcome)
    found = difference(outcomes)
    log.info(
        "judged gap size, final best minus first round's best: mean %+.3f, 95 %% interval "
        "[%+.3f, %+.3f] over %d loops; %s",
        found.mean,
        found.low,
        found.high,
        found.count,
        "excludes 0" if found.excludes_zero else "holds 0",
    )
    if args.json:
        record = {"difference": asdict(found), "loops": [asdict(each) for each in outcomes]}
        args.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(not (found.excludes_zero and found.mean < 0))


def painter(*, steps: int, guidance: float) -> Callable[[str, int, int], Tensor]:
    """The loop's generate callable: candidates of one prompt and seed in one batch."""

    def paint(prompt: str, seed: int, candidates: int) -> Tensor:
        return generator.generate([prompt] * candidates, seed=seed, steps=steps, guidance=guidance)

    return paint


def refiner_named(name: str) -> Refiner | None:
    """The refiner of the command line's name; none is best-of-N."""
    if name == "none":
        return None
    return RuleRefiner() if name == "rules" else load_scorer().refiner()


def one_loop(
    state: LoopState, paint: Callable[[str, int, int], Tensor], refiner: str, *, steps: int = 20
) -> Outcome:
    """Run one loop to its end and judge its first and its final best picture."""
    for scored in run_loop(
        paint, load_scorer(), refiner_named(refiner), state, steps_per_picture=steps
    ):
        state = scored
    assert state.best is not None
    first, last = state.rounds[0], state.rounds[state.best.round_index]
    pictures = [
        from_png(r.images[i]) for r, i in ((first, first.best), (last, state.best.candidate))
    ]
    seen = judge(torch.stack(pictures))
    judged = [
        math.dist((state.target.valence, state.target.arousal), felt)
        for felt in zip(seen.valence.tolist(), seen.arousal.tolist(), strict=True)
    ]
    return Outcome(
        prompt=state.artist_prompt,
        target=state.target,
        rounds=len(state.rounds),
        stop_reason=state.stop_reason,
        judged_first=judged[0],
        judged_final=judged[1],
        read_first=first.gap.size,
        read_final=state.best.gap.size,
        final_prompt=last.prompt,
    )


def line(outcome: Outcome) -> str:
    """One loop as a line of text."""
    return (
        f"{outcome.prompt:<28} ({outcome.target.valence:+.1f}, {outcome.target.arousal:+.1f})  "
        f"judged {outcome.judged_first:.2f} -> {outcome.judged_final:.2f}  "
        f"read {outcome.read_first:.2f} -> {outcome.read_final:.2f}  "
        f"{outcome.rounds} rounds ({outcome.stop_reason}): {outcome.final_prompt}"
    )


def difference(outcomes: Sequence[Outcome]) -> PairedDifference:
    """Final minus first judged gap size; loops of the same pair count as one pair's mean."""
    pairs: dict[tuple[str, Emotion], list[Outcome]] = {}
    for each in outcomes:
        pairs.setdefault((each.prompt, each.target), []).append(each)
    finals = [sum(o.judged_final for o in group) / len(group) for group in pairs.values()]
    firsts = [sum(o.judged_first for o in group) / len(group) for group in pairs.values()]
    return paired_difference(finals, firsts)
