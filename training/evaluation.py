"""What evaluate.py measures: every system on the same tasks and noise, and paired differences."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emofeedback.emotion import LIMIT
from emofeedback.errors import ConfigError
from emofeedback.metrics import (
    axis_metrics,
    kendall_tau,
    largest_step_ratio,
    paired_difference,
)
from emofeedback.scoring import Scorer

from .config import ModelConfig, RewardConfig, TrainConfig
from .evaluation_report import markdown, save_pictures, save_plot
from .measure import Judged, judged
from .policy import Policy
from .prompts import Task, load_prompts
from .reward_server import ServerReader
from .rewards import EmotionReader, ReadingCache
from .systems import Made, ReaderScorer, Sampler, parse_system, rank_of, weights_of

SWEEP_POINTS = 9
SMALLEST = 64
"""Side of the drawn pictures that the judge's floor is measured on, at least."""


@dataclass(frozen=True)
class Measured:
    """One system's pictures and what was measured on them."""

    name: str
    images: Tensor
    judged: Judged
    numbers: dict[str, float]


def evaluate(options: argparse.Namespace) -> str:
    """Paint, measure and compare; returns the report's Markdown and leaves it in `--out`.

    Raises: ConfigError, CheckpointError: something that the user can change.
    """
    from tqdm import tqdm

    from emofeedback.embedded.scorer import load_scorer

    systems = [parse_system(text) for text in options.systems]
    if len({name for name, _, _ in systems}) < len(systems):
        raise ConfigError(f"A system is named twice: {' '.join(options.systems)}.")
    if options.threads:
        torch.set_num_threads(options.threads)
    tasks = evaluation_tasks(options)
    sampler = Sampler(
        steps=options.steps, guidance=options.guidance, seed=options.seed,
        num_pictures=options.pictures, candidates=options.candidates,
    )  # fmt: skip
    reader = picture_reader(options)
    scorer: Scorer = load_scorer() if reader is None else ReaderScorer(reader)
    pair_scores, policies = _pair_scores(options), _Policies(options)
    found: list[Measured] = []
    for name, system, checkpoint in tqdm(systems, desc="systems"):
        policy = policies.of_rank(rank_of(checkpoint) if checkpoint else 1)
        with weights_of(policy, checkpoint), torch.no_grad():
            started = time.perf_counter()
            made = system(policy, tasks, sampler, scorer)
            seconds = (time.perf_counter() - started) / len(tasks)
            numbers = {"pictures_per_task": made.pictures_per_task, "seconds_per_task": seconds}
            if options.sweeps and made.pictures_per_task == 1:
                numbers |= continuity(
                    lambda each: system(policy, each, sampler, scorer),  # noqa: B023 - used at once
                    _prompts(options)[: options.sweeps],
                    reader,
                )
        seen = judged(made.images, tasks, reader)
        numbers |= measure(made.images, tasks, seen, scorer, pair_scores)
        found.append(Measured(name, made.images, seen, numbers))
    return _report(found, tasks, options)


def evaluation_tasks(options: argparse.Namespace) -> list[Task]:
    """Held-out prompts at an even grid of targets.

    Raises: ConfigError: fewer than two levels.
    """
    if options.levels < 2:
        raise ConfigError(f"--levels is {options.levels}; a grid needs 2 or more along an axis.")
    levels = np.linspace(-LIMIT, LIMIT, options.levels).tolist()
    return [
        Task(prompt, (valence, arousal))
        for prompt in _prompts(options)
        for valence, arousal in itertools.product(levels, levels)
    ]


def measure(
    images: Tensor,
    tasks: Sequence[Task],
    seen: Judged,
    scorer: Scorer,
    pair_scores: dict[str, Callable[[Tensor, Sequence[str]], Tensor]],
) -> dict[str, float]:
    """Errors, ranks and content of final pictures [B, H, W, 3], one a task."""
    read = [r.emotion for part in images.split(32) for r in scorer.score(part)]
    numbers: dict[str, float] = {}
    for axis, name in enumerate(("v", "a")):
        targets = [task.target[axis] for task in tasks]
        metrics = axis_metrics(targets, seen.readings[:, axis].tolist())
        own = axis_metrics(targets, [(e.valence, e.arousal)[axis] for e in read])
        numbers |= {
            f"{name}_error": metrics.error,
            f"{name}_error_sd": float(seen.gaps[:, axis].std(unbiased=False)),
            f"{name}_constant": metrics.constant_error,
            f"{name}_spearman": metrics.spearman,
            f"{name}_error_by_scorer": own.error,
        }
    numbers["place"] = float(seen.place_right.nanmean())
    numbers["subject"] = float(seen.subject_right.nanmean())
    prompts = [task.prompt for task in tasks]
    for name, score in pair_scores.items():
        parts = [score(images[i : i + 32], prompts[i : i + 32]) for i in range(0, len(images), 32)]
        numbers[name] = float(torch.cat(parts).mean())
    return numbers


def picture_reader(options: argparse.Namespace) -> EmotionReader | None:
    """Who measures real pictures; None: the drawn world's judge.

    Raises: ConfigError: a real model without --server.
    """
    if options.server:
        return ReadingCache(
            ServerReader(
                RewardConfig(
                    scorer="server", server=options.server, server_model=options.server_model
                )
            )
        )
    if options.model not in ("", "smoke"):
        raise ConfigError(
            "The drawn world's judge knows drawn pictures only. Give --server URL --server-model "
            "NAME of a vision-language model that was not the reward of the training."
        )
    return None


def continuity(
    make: Callable[[list[Task]], Made], prompts: Sequence[str], reader: EmotionReader | None = None
) -> dict[str, float]:
    """Along 9-point sweeps of each axis: Kendall's tau of the judged axis, evenness of steps.

    Every picture of a sweep starts from the noise of its own row, so `largest_step` is taken on
    the judge's readings rather than on pixels.
    """
    points = np.linspace(-LIMIT, LIMIT, SWEEP_POINTS).tolist()
    taus, steps = [], []
    for prompt, axis in itertools.product(prompts, (0, 1)):
        tasks = [Task(prompt, (p, 0.0) if axis == 0 else (0.0, p)) for p in points]
        readings = judged(make(tasks).images, tasks, reader).readings
        taus.append(kendall_tau(points, readings[:, axis].tolist()))
        steps.append(largest_step_ratio(readings.numpy()))
    return {"sweep_tau": float(np.nanmean(taus)), "largest_step": float(np.mean(steps))}


def judge_floor(tasks: Sequence[Task], *, size: int, seed: int) -> float:
    """The judge's own V-Error + A-Error on the drawn world's pictures at these targets."""
    from .world.render import render
    from .world.scene import sample_scene

    random = np.random.default_rng(seed)
    scenes = [sample_scene(random, split="held_out", emotion=task.target) for task in tasks]
    pictures = torch.stack([torch.from_numpy(np.array(render(s, size))) for s in scenes])
    return float(judged(pictures.float() / 255, tasks).gap_sum.mean())


class _Policies:
    """One policy a LoRA rank; the reference needs any."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._made: dict[int, Policy] = {}

    def of_rank(self, rank: int) -> Policy:
        from .families.choose import load_family

        if rank not in self._made:
            options = self._options
            model = ModelConfig(
                path=options.model, components=options.components, size=options.size,
                lora_rank=rank, lora_alpha=rank,
            )  # fmt: skip
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            family = load_family(TrainConfig(model=model), device=device)
            self._made[rank] = Policy(family, model)
        return self._made[rank]


def _prompts(options: argparse.Namespace) -> tuple[str, ...]:
    held = load_prompts(options.prompts).held_out
    if not 1 <= options.num_prompts <= len(held):
        raise ConfigError(f"--num-prompts is {options.num_prompts}; there are {len(held)}.")
    return held[: options.num_prompts]


def _pair_scores(
    options: argparse.Namespace,
) -> dict[str, Callable[[Tensor, Sequence[str]], Tensor]]:
    from .reward_models import ClipScore, PickScore, drawn_content_score

    found: dict[str, Callable[[Tensor, Sequence[str]], Tensor]] = {}
    if options.prompts == "drawn":
        found["clip_pair"] = drawn_content_score
    if options.clip:
        found["clip_score"] = ClipScore(options.clip)
    if options.pickscore:
        found["pick_score"] = PickScore(options.pickscore)
    return found


def _report(found: list[Measured], tasks: Sequence[Task], options: argparse.Namespace) -> str:
    first = found[0]
    rows = []
    for each in found:
        change = paired_difference(each.judged.gap_sum.tolist(), first.judged.gap_sum.tolist())
        rows.append((each.name, each.numbers, change))
    floor = (
        judge_floor(tasks, size=max(first.images.shape[1], SMALLEST), seed=options.seed)
        if options.prompts == "drawn" and not options.server
        else float("nan")
    )
    text = markdown(rows, count=len(tasks), floor=floor)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.md").write_text(text + "\n", encoding="utf-8")
    record = {
        "systems": {n: numbers | {"change": vars_of(c)} for n, numbers, c in rows},
        "floor": floor,
        "options": {k: str(v) for k, v in vars(options).items()},
    }
    (options.out / "report.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    per_prompt = options.levels**2
    for each in found:
        save_pictures(options.out, each.name, each.images[:per_prompt], columns=options.levels)
    save_plot(options.out / "readings.png", [(e.name, e.judged.readings) for e in found], tasks)
    return text


def vars_of(change: object) -> dict[str, float]:
    """A slotted dataclass as a table."""
    return {name: getattr(change, name) for name in ("mean", "low", "high", "count")}
