"""Stage `chain`: the paper's three stages on the drawn world, from one command.

The scorer learns by GRPO from an early supervised start; the generator learns with that scorer as
reward, asked through a local server; the loop is judged with both. Each stage has a folder in the
run's, and one that is done is not done again, so a chain that was stopped goes on by the same way.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from emofeedback.commands.serve import ModelServer, open_server
from emofeedback.lvlm.folder import load_folder
from emofeedback.lvlm.server.allowed import ALLOWED_VARIABLE
from emofeedback.records.files import write_json

from ..settings.config import TrainConfig
from .tracking import LOG_FILE, read_log

log = logging.getLogger(__name__)
START, SCORER, GENERATOR, EVALUATION = "1-start", "2-scorer", "3-generator", "4-evaluation"
CHECKPOINT = "drawn_emotion.safetensors"


def run_chain(config: TrainConfig, folder: Path) -> None:
    """Carry out what is not done yet, and write `folder/report.md` and `report.json`.

    Raises: EmoFeedbackError: a stage cannot be carried out; those before it stay done.
    """
    from ..scorer.grpo import train_scorer
    from ..scorer.trl_settings import trl_settings

    trl_settings(config, folder)  # refused here rather than after the start
    start = _start(config, folder)
    scorer = folder / SCORER
    if not (scorer / "table.json").is_file():
        log.info("stage 2 of 4: the scorer by GRPO")
        asked = replace(config.scorer, start=start)
        data = replace(config.data, evaluation="")
        own = replace(config, data=data, steps=config.chain.scorer_steps, scorer=asked)
        train_scorer(replace(own, stage="scorer"), scorer)
    with serving(scorer / "scorer") as server:
        log.info("reward, scorer and refiner: %s at %s", server.model, server.url)
        _generator(config, folder, server)
        _evaluation(config, folder, server)
    numbers, text = _report(folder)
    write_json(folder / "report.json", numbers)
    (folder / "report.md").write_text(text, encoding="utf-8")
    log.info("\n%s\nreport: %s", text, folder / "report.md")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[ModelServer]:
    """The server of `python -m emofeedback serve FOLDER` on a free port; inside, it may be asked.

    Raises: CheckpointError: no model in the folder.
    """
    server = open_server(load_folder(folder), 0)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    before = os.environ.get(ALLOWED_VARIABLE)
    own = f"127.0.0.1:{server.server_address[1]}"
    os.environ[ALLOWED_VARIABLE] = f"{before},{own}" if before else own
    try:
        yield server
    finally:
        os.environ.pop(ALLOWED_VARIABLE)
        if before is not None:
            os.environ[ALLOWED_VARIABLE] = before
        server.shutdown()
        server.server_close()


def _start(config: TrainConfig, folder: Path) -> str:
    """Folder of the weights that GRPO starts from; empty: the shipped ones."""
    from ..recipes.lvlm import train_with
    from ..recipes.lvlm_model import LvlmConfig
    from .run import RunOptions

    steps, weights = config.chain.start_steps, folder / START / "weights"
    if not steps:
        return config.scorer.start
    if not (weights / "drawn_lvlm" / "config.json").is_file():
        log.info("stage 1 of 4: the scorer's supervised start")
        whole = LvlmConfig()
        recipe = replace(
            whole,
            # a short start sees its pictures about as often as the recipe's own
            pictures=min(whole.pictures, 16 * steps),
            repainted_pictures=whole.repainted_pictures if steps >= whole.seeing_steps else 0,
            seeing_steps=min(whole.seeing_steps, 3 * steps // 4),
        )
        options = RunOptions(
            run_dir=folder / START, weights=weights, steps=steps, seed=config.seed,
            threads=config.threads or RunOptions.threads, export=True,
        )  # fmt: skip
        train_with(recipe, options)
    return str(weights / "drawn_lvlm")


def _generator(config: TrainConfig, folder: Path, server: ModelServer) -> None:
    from .generator import train_generator

    own = folder / GENERATOR
    if (own / CHECKPOINT).is_file():
        return
    log.info("stage 3 of 4: the generator, with that scorer as reward")
    asked = replace(
        config.reward, scorer="server", server=server.url, server_model=server.model, workers=1
    )
    begun = (own / "checkpoints").is_dir() and any((own / "checkpoints").glob("step-*"))
    train_generator(replace(config, stage="generator", reward=asked), own, resume=begun)


def _evaluation(config: TrainConfig, folder: Path, server: ModelServer) -> None:
    from ..evaluation.compare import evaluate
    from ..evaluation.options import EvaluationOptions

    own, trained = folder / EVALUATION, folder / GENERATOR / CHECKPOINT
    if (own / "report.json").is_file():
        return
    log.info("stage 4 of 4: base, trained generator and loops, judged by what no one trained on")
    kinds = ("adapter", "best-of-n", "loop", "loop-lvlm")
    chain, rollout = config.chain, config.rollout
    evaluate(
        EvaluationOptions(
            systems=("adapter", *(f"{kind}@{trained}" for kind in kinds)),
            evaluation=config.data.evaluation,
            num_prompts=chain.num_prompts, levels=chain.levels, sweeps=0, pictures=chain.pictures,
            candidates=chain.candidates, steps=rollout.num_inference_steps,
            guidance=rollout.guidance_scale, size=config.model.size, seed=config.seed,
            scorer_server=server.url, scorer_model=server.model, out=own,
        )
    )  # fmt: skip


def _report(folder: Path) -> tuple[dict[str, Any], str]:
    """Every number of the run, as a table of tables and as Markdown."""
    scorer = json.loads((folder / SCORER / "table.json").read_text(encoding="utf-8"))
    steps = read_log(folder / GENERATOR / LOG_FILE)
    rewards = [line for line in steps if "reward/mean" in line]
    watched = [line for line in steps if "watch/reward" in line]
    evaluation = json.loads((folder / EVALUATION / "report.json").read_text(encoding="utf-8"))
    generator = {
        "steps": len(rewards),
        "reward_first": rewards[0]["reward/mean"],
        "reward_last": rewards[-1]["reward/mean"],
        "watch_first": _watched(watched[0]) if watched else {},
        "watch_last": _watched(watched[-1]) if watched else {},
    }
    table = (folder / EVALUATION / "report.md").read_text(encoding="utf-8")
    table = table.replace(str(folder / GENERATOR / CHECKPOINT), "trained")
    before, after = generator["watch_first"], generator["watch_last"]
    lines = [
        "# The chain",
        "## 1, 2: the scorer",
        f"Mean absolute gap on {scorer['pictures']} held-out pictures: {scorer['mae_before']:.3f} "
        f"after its start, {scorer['mae_after']:.3f} after GRPO ({scorer['change']:+.3f}, 95 % "
        f"interval {scorer['low']:+.3f} to {scorer['high']:+.3f}).",
        "## 3: the generator, with that scorer as reward through a server",
        f"Reward {generator['reward_first']:.3f} in the first of {generator['steps']} steps, "
        f"{generator['reward_last']:.3f} in the last.",
        *(f"{name}: {before[name]:.3f}, then {after[name]:.3f}." for name in before),
        "## 4: base, trained generator, loops",
        table,
    ]
    numbers = {"scorer": scorer, "generator": generator, "evaluation": evaluation}
    return numbers, "\n\n".join(lines)


def _watched(line: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in line.items() if name.startswith("watch/")}
