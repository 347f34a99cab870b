"""`python -m training.proof paper`: the paper's table in the drawn world.

Each row is trained and measured for several seeds, by the judge that is never a reward, on held-out
prompts at an even grid of targets with the same noise for all. Trainings and measurements are kept
one by one: a run that was stopped goes on where it was, and `--rows` runs a part of the table.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofeedback.embedded.scorer import load_scorer
from emofeedback.errors import ConfigError
from emofeedback.records.files import write_json

from ..data.prompts import Task
from ..evaluation.compare import continuity, evaluation_tasks, measure_system
from ..evaluation.options import EvaluationOptions
from ..evaluation.systems import Made, Sampler, parse_system
from ..evaluation.trained_weights import rank_of, weights_of
from ..recipes.plan import ROOT
from ..runs.stages import TrainCommand
from ..runs.stages import run as train
from ..settings.files import CONFIG_FILE
from .paper_rows import ALGORITHMS, ARMS, GENERATOR, PARTS, ROWS, Arm, Row, arms_of
from .paper_table import paper_table

log = logging.getLogger(__name__)
QUIET = ("watch.every=0", "watch.table_prompts=0", "sheet_every=0", "tensorboard=false")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much every row gets.

    Args:
        minutes: for each training.
        threads: that it takes.
        steps: of each training at most; 0: time alone ends it.
        algorithm: of the reward-trained rows that do not name one.
        start: folder of the scorer before its GRPO; empty: the shipped one.
    """

    minutes: float = 30.0
    threads: int = 1
    steps: int = 0
    algorithm: str = "awm"
    start: str = ""
    measured: EvaluationOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--part", choices=PARTS, help="default: all three")
    parser.add_argument("--rows", help="names as the table has them, joined by ;")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=30.0, help="of each trained arm")
    parser.add_argument("--algorithm", choices=tuple(ALGORITHMS), default="awm")
    parser.add_argument("--scorer-start", default="", help="folder of the scorer before GRPO")
    parser.add_argument("--num-prompts", type=int, default=14)
    parser.add_argument("--levels", type=int, default=5, help="targets along an axis")
    parser.add_argument("--quick", action="store_true", help="one step, four tasks: for tests")
    parser.add_argument("--threads", type=int, default=1, help="of trainings and measurements")
    parser.add_argument(
        "--run", dest="run_dir", type=Path, default=ROOT / "runs" / "paper",
        help="folder of trainings and measurements, resumed if it exists",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Trains and measures what is missing, then writes RUN/table.md."""
    import torch

    torch.set_num_threads(args.threads)
    rows = chosen_rows(args.part, args.rows)
    measured = EvaluationOptions(
        systems=(), num_prompts=args.num_prompts, levels=args.levels, guidance=3.0
    )
    budget = Budget(
        minutes=args.minutes,
        threads=args.threads,
        algorithm=args.algorithm,
        start=args.scorer_start,
        measured=measured,
    )
    if args.quick:
        budget = quick(budget)
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in range(1 if args.quick else args.seeds):
        for row in rows:
            found.setdefault(row.name, []).append(measured_row(row, seed, budget, args.run_dir))
    text = paper_table(rows, found)
    (args.run_dir / "table.md").write_text(text + "\n", encoding="utf-8")
    log.info("%s", text)
    return 0


def quick(budget: Budget) -> Budget:
    """The same in seconds; its numbers mean nothing."""
    measured = EvaluationOptions(
        systems=(), num_prompts=1, levels=2, sweeps=0, pictures=2, candidates=1, steps=2
    )
    return Budget(minutes=0.0, steps=1, algorithm=budget.algorithm, measured=measured)


def chosen_rows(part: str | None, names: str | None) -> list[Row]:
    """The rows of a part or by name, with those that they are compared with.

    Raises: ConfigError: no row has that name.
    """
    rows = [row for row in ROWS if part in (None, row.part)]
    if not names:
        return rows
    wanted = [name.strip() for name in names.split(";") if name.strip()]
    unknown = [name for name in wanted if name not in {row.name for row in rows}]
    if unknown:
        known = "; ".join(row.name for row in rows)
        raise ConfigError(f"There is no row {unknown[0]!r}. Known: {known}.")
    wanted += [row.against for row in rows if row.name in wanted]
    return [row for row in rows if row.name in wanted]


def measured_row(row: Row, seed: int, budget: Budget, run_dir: Path) -> dict[str, Any]:
    """The numbers of a row for a seed; trained and measured where they are not there yet."""
    path = run_dir / f"seed-{seed}" / "measured" / f"{_slug(row.name, budget)}.json"
    if not path.is_file():
        for arm in arms_of(row.arm):
            train_arm(arm, seed, budget, run_dir)
        log.info("measuring %s, seed %d", row.name, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, _measure(row, seed, budget, run_dir), indent=None)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def train_arm(name: str, seed: int, budget: Budget, run_dir: Path) -> None:
    """Trains an arm where it is not there; the stages that cannot go on begin anew."""
    folder = _folder(name, seed, budget, run_dir)
    if _made(folder) is not None:
        return
    begun = (folder / CONFIG_FILE).is_file()
    if begun and ARMS[name].kind != "reward":
        shutil.rmtree(folder)
        begun = False
    log.info("training %s, seed %d", name, seed)
    command = TrainCommand(
        run=None if begun else folder,
        resume=str(folder) if begun else None,
        overrides=()
        if begun
        else settings_of(
            ARMS[name], seed, budget, lambda arm: _made(_folder(arm, seed, budget, run_dir))
        ),
    )
    train(command)


def settings_of(
    arm: Arm, seed: int, budget: Budget, made: Callable[[str], Path | None]
) -> tuple[str, ...]:
    """What train.py is told.

    Args:
        made: what the training of an arm left.
    """
    settings = [f"seed={seed}", f"threads={budget.threads}", f"minutes={budget.minutes:g}", *QUIET]
    settings.append(f"steps={budget.steps or 100_000}")
    if arm.kind == "scorer":
        settings.append("stage=scorer")
        settings += [f"scorer.start={budget.start}"] if budget.start else []
        if budget.steps:
            settings += ["scorer.pictures=8", "scorer.held_out=0", "scorer.batch=8"]
        return (*settings, *arm.settings)
    if arm.kind == "supervised":
        settings += ["stage=adapter", "start.loss=features", "optim.adapter_rate=1.0e-3"]
        settings += ["start.count=8"] if budget.steps else []
    else:
        settings += [*GENERATOR, *ALGORITHMS[arm.algorithm or budget.algorithm]]
        scorer = made(arm.scorer) if arm.scorer else budget.start
        settings += [f"reward.scorer_folder={scorer}"] if scorer else []
        if budget.steps:
            settings += ["data.prompts_per_step=1", "rollout.group_size=2"]
    if arm.after == "fresh":
        settings.append("model.adapter=fresh")
    elif arm.after:
        settings.append(f"model.adapter={made(arm.after)}")
    return (*settings, *arm.settings)


def _measure(row: Row, seed: int, budget: Budget, run_dir: Path) -> dict[str, Any]:
    import torch

    from ..families.choose import load_family
    from ..recipes.measure_look import seam_ratios
    from ..rewards.models import drawn_content_score
    from ..rewards.quality import quality
    from ..rewards.stack import PairScore
    from ..rl.policy import Policy
    from ..settings.config import ModelConfig, TrainConfig

    options = budget.measured
    checkpoint = _made(_folder(row.arm, seed, budget, run_dir)) if row.arm else None
    rank = rank_of(checkpoint) if checkpoint else 1
    model = ModelConfig(lora_rank=rank, lora_alpha=rank)
    policy = Policy(load_family(TrainConfig(model=model), device=torch.device("cpu")), model)
    system, scorer = parse_system(row.system)[1], load_scorer()
    sampler = Sampler(
        steps=options.steps, guidance=options.guidance, seed=1000 + seed,
        num_pictures=options.pictures, candidates=options.candidates,
    )  # fmt: skip

    def make(tasks: Sequence[Task], how: Sampler) -> Made:
        return system(policy, tasks, how, scorer)

    tasks = evaluation_tasks(options)
    with weights_of(policy, checkpoint), torch.no_grad():
        pairs: dict[str, PairScore] = {"clip_pair": drawn_content_score, "quality": quality}
        seen = measure_system(row.name, make, tasks, sampler, scorer, pairs, None)
        numbers = dict(seen.numbers)
        if options.sweeps and numbers["pictures_per_task"] == 1:
            prompts = list(dict.fromkeys(task.prompt for task in tasks))[: options.sweeps]
            numbers |= continuity(make, prompts, sampler)
    numbers["seams"] = max(seam_ratios(seen.sheet).values())
    return {"numbers": numbers, "gap_sum": seen.judged.gap_sum.tolist()}


def _made(folder: Path) -> Path | None:
    """What a training left, a checkpoint or a scorer's folder; None while it is not done."""
    if (folder / "scorer" / "model.safetensors").is_file():
        return folder / "scorer"
    return next(iter(sorted(folder.glob("*_emotion.safetensors"))), None)


def _folder(arm: str, seed: int, budget: Budget, run_dir: Path) -> Path:
    return run_dir / f"seed-{seed}" / _slug(arm, budget)


def _slug(name: str, budget: Budget) -> str:
    words = "".join(c if c.isalnum() else " " for c in name).split()
    told = [f"{budget.steps}-steps" if budget.steps else f"{budget.minutes:g}-minutes"]
    told += [f"{budget.threads}-threads"] if budget.threads > 1 else []
    return "-".join([*words, budget.algorithm, *told])
