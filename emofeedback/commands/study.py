"""`python -m emofeedback study PROMPTS --judge head:FILE --out RUN`: systems on the same pairs.

Your prompts x a grid of feelings, painted by the embedded generator or by a ComfyUI graph of yours
(`--workflow`), chosen by a scorer and judged by another that never chooses. A study that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ..errors import ConfigError
from ..records.emotion import Emotion
from ..records.files import write_json
from ..study.comfy_graph import Graph, GraphPainter, load_graph, takes_aim
from ..study.painters import Painter
from ..study.report import study_tables, write_report
from ..study.runner import kept_trial
from ..study.systems import System, study_systems
from ..study.trials import Pair, Trial, run_trial, scorer_as_judge
from .reading import add_scorer_arguments, chosen_scorer, open_scorer

log = logging.getLogger(__name__)
Feelings = Sequence[Emotion]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("prompts", type=Path, help="a text file, one prompt a line")
    parser.add_argument("--judge", required=True, help="as --scorer; measures and never chooses")
    parser.add_argument(
        "--judge-encoder", action="append", default=[], help="of a head that judges, as --encoder"
    )
    add_scorer_arguments(parser)
    parser.add_argument("--calibration", type=Path, help="of the scorer's readings")
    parser.add_argument("--workflow", type=Path, help="a ComfyUI graph with our loop, API format")
    parser.add_argument("--server", default="http://127.0.0.1:8188", help="ComfyUI, for --workflow")
    parser.add_argument("--feelings", default="", help="your own: 2,1;-2,-1 (valence,arousal)")
    parser.add_argument("--levels", type=int, default=3, help="of each axis, else: 3 is nine")
    parser.add_argument("--reach", type=float, default=2.0, help="of the outermost feelings")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--content-floor", type=float, default=0.0)
    parser.add_argument("--steps", type=int, default=20, help="of the embedded generator")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="resumed where it exists")


def run(options: argparse.Namespace) -> int:
    """Runs what is missing and writes the report."""
    feelings = listed(options.feelings) or grid(options.levels, options.reach)
    pairs = study_pairs(options.prompts, feelings, options.seed)
    graph = None if options.workflow is None else load_graph(options.workflow)
    systems = study_systems(
        options.rounds, options.candidates, emotion_input=graph is None or takes_aim(graph)
    )
    _same_study(options, len(pairs))
    scorer = chosen_scorer(vars(options))
    judging = open_scorer(options.judge, encoders=options.judge_encoder)
    judge = scorer_as_judge(judging)
    trials: dict[str, list[Trial]] = {system.name: [] for system in systems}
    pictures: list[list[Path]] = []
    for index, pair in enumerate(pairs):
        pictures.append([])
        for system in systems:
            picture = options.out / f"{index:03d}-{system.name.replace(' ', '-')}.png"

            def make(system: System = system, pair: Pair = pair) -> tuple[Trial, Tensor]:
                paint = _painter(system, pair.target, graph, options)
                floor = options.content_floor
                return run_trial(
                    system,
                    pair,
                    paint,
                    scorer,
                    judge,
                    floor=floor,
                    saved=lambda: _saved(paint),
                    take_aim=paint.take_aim if system.emotion_input else None,
                )

            trials[system.name].append(kept_trial(picture, make))
            pictures[-1].append(picture)
        sys.stderr.write(f"\r{index + 1} of {len(pairs)} pairs" + "\n" * (index + 1 == len(pairs)))
    text = study_tables(trials, judge=judging.name, chooser=scorer.name)
    write_report(trials, pictures, options.out, text)
    log.info("%s\nWritten to %s.", text, options.out / "report.md")
    return 0


def listed(text: str) -> list[Emotion]:
    """Feelings as written: "2,1;-2,-1". Raises: ConfigError: no numbers, or off the scale."""
    try:
        pairs = [tuple(map(float, each.split(","))) for each in text.split(";") if each.strip()]
        return [Emotion(valence, arousal) for valence, arousal in pairs]
    except ValueError as error:
        raise ConfigError(f"The feelings are {text!r} ({error}). Write 2,1;-2,-1.") from error


def grid(levels: int, reach: float) -> list[Emotion]:
    """levels x levels feelings, evenly from -reach to reach. Raises: ConfigError: out of range."""
    if not (2 <= levels <= 9 and 0 < reach <= 3):
        raise ConfigError(f"levels is {levels}, reach {reach:g}; write 2 to 9, and up to 3.")
    steps = [reach * (2 * number / (levels - 1) - 1) for number in range(levels)]
    return [Emotion(valence, arousal) for valence in steps for arousal in steps]


def study_pairs(prompts: Path, feelings: Feelings, seed: int) -> list[Pair]:
    """Every prompt with every feeling, each with its own seed. Raises: ConfigError: no prompts."""
    try:
        lines = [line.strip() for line in prompts.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{prompts} cannot be read as text ({error}).") from error
    asked = [line for line in lines if line and not line.startswith("#")]
    if not asked:
        raise ConfigError(f"{prompts} has no prompt. Write one a line.")
    both = [(prompt, feeling) for prompt in asked for feeling in feelings]
    return [Pair(*each, seed=seed + 100 * number) for number, each in enumerate(both)]


def _painter(
    system: System, target: Emotion, graph: Graph | None, options: argparse.Namespace
) -> Painter | GraphPainter:
    if graph is None:
        return Painter(target if system.emotion_input else None, steps=options.steps)
    # where the graph hands on an aim, words alone are words: the generator hears neutral
    told = target if system.emotion_input or not takes_aim(graph) else Emotion(0, 0)
    return GraphPainter(graph, options.server, told)


def _saved(paint: Painter | GraphPainter) -> float:
    return paint.saved if isinstance(paint, Painter) else 0.0


def _same_study(options: argparse.Namespace, pairs: int) -> None:
    """Writes down what is studied. Raises: ConfigError: the folder holds another study."""
    told = {
        name: str(getattr(options, name))
        for name in (
            "judge", "judge_encoder", "scorer", "encoder", "model", "adapter", "reading",
            "calibration", "workflow", "feelings", "levels", "reach", "rounds", "candidates",
            "content_floor", "steps", "seed",
        )
    } | {"asked": options.prompts.read_text(encoding="utf-8"), "pairs": str(pairs)}  # fmt: skip
    path = options.out / "study.json"
    options.out.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        write_json(path, told)
        return
    kept = json.loads(path.read_text(encoding="utf-8"))
    changed = sorted(name for name in told if kept.get(name) != told[name])
    if changed:
        raise ConfigError(
            f"{options.out} holds a study with other {', '.join(changed)}. Name another folder."
        )
