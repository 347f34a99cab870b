"""What evaluate.py measures: every system on the same tasks and noise, and paired differences."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from emofeedback.errors import ConfigError
from emofeedback.plane.metrics import (
    axis_metrics,
    kendall_tau,
    largest_step_ratio,
    paired_difference,
)
from emofeedback.reading.base import (
    Scorer,
)
from emofeedback.records.emotion import LIMIT
from emofeedback.records.files import check_writable, write_json

from ..data.prompt_files import Prompt
from ..data.prompts import Task, grid_tasks, load_prompts, read_evaluation
from ..rewards.stack import EmotionReader, PairScore
from ..rl.measure import Judged, cue_variety, judged
from ..rl.policy import Policy
from ..settings.config import ModelConfig, TrainConfig
from .options import EvaluationOptions
from .panel import Panel, open_panel
from .report import markdown, save_pictures, save_plot
from .systems import Made, MakeAll, Sampler, check_writes, parse_system, written_loop
from .trained_weights import rank_of, weights_of

SWEEP_POINTS = 9
Make = Callable[[Sequence[Task], Sampler], Made]
SMALLEST = 64
"""Side of the drawn pictures that the judge's floor is measured on, at least."""


@dataclass(frozen=True)
class Measured:
    """One system's pictures and what was measured on them."""

    name: str
    sheet: Tensor
    """Pictures of the first prompt."""
    judged: Judged
    numbers: dict[str, float]


def evaluate(options: EvaluationOptions) -> str:
    """Paint, measure and compare; returns the report's Markdown and leaves it in `--out`.

    Raises: ConfigError, CheckpointError: something that the user can change.
    """
    from tqdm import tqdm

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
    panel = open_panel(options)
    reader, scorer = panel.reader, panel.scorer
    pair_scores, policies = _pair_scores(options), _Policies(options)
    # what cannot be used is told before the hours of painting
    _check_writable(options.out)
    for _, system, checkpoint in systems:
        if system is written_loop:
            check_writes(scorer)
        with weights_of(policies.of(checkpoint), checkpoint):
            pass
    found: list[Measured] = []
    for name, system, checkpoint in tqdm(systems, desc="systems"):
        policy = policies.of(checkpoint)

        def make(each: Sequence[Task], how: Sampler, system: MakeAll = system) -> Made:
            return system(policy, each, how, scorer)  # noqa: B023 - used before the next policy

        with weights_of(policy, checkpoint), torch.no_grad():
            measured = measure_system(name, make, tasks, sampler, scorer, pair_scores, reader)
            if options.sweeps and measured.numbers["pictures_per_task"] == 1:
                prompts = _prompts(options)[: options.sweeps]
                measured.numbers.update(continuity(make, prompts, sampler, reader))
        found.append(measured)
    return _report(found, tasks, options, panel)


def measure_system(
    name: str,
    make: Make,
    tasks: Sequence[Task],
    sampler: Sampler,
    scorer: Scorer,
    pair_scores: dict[str, PairScore],
    reader: EmotionReader | None,
) -> Measured:
    """Paint and measure prompt by prompt: thousands of large pictures would not fit in memory."""
    painted, seconds, sheet = 0.0, 0.0, torch.empty(0)
    parts: list[Judged] = []
    read: list[tuple[float, float]] = []
    pairs: dict[str, list[Tensor]] = {key: [] for key in pair_scores}
    for index, (_, group) in enumerate(itertools.groupby(tasks, key=lambda task: task.prompt)):
        asked = list(group)
        started = time.perf_counter()
        made = make(asked, replace(sampler, seed=sampler.seed + index))
        seconds += time.perf_counter() - started
        painted += made.pictures_per_task * len(asked)
        sheet = made.images if index == 0 else sheet
        parts.append(judged(made.images, asked, reader))
        read += [(r.emotion.valence, r.emotion.arousal) for r in scorer.score(made.images)]
        for key, score in pair_scores.items():
            pairs[key].append(score(made.images, [task.prompt for task in asked]))
    seen = Judged(
        *(
            torch.cat([getattr(part, field) for part in parts])
            for field in ("readings", "gaps", "place_right", "subject_right", "cues")
        )
    )
    numbers = {
        "pictures_per_task": painted / len(tasks),
        "seconds_per_task": seconds / len(tasks),
        **{key: float(torch.cat(values).mean()) for key, values in pairs.items()},
    }
    return Measured(name, sheet, seen, numbers | summary(seen, tasks, read))


def evaluation_tasks(options: EvaluationOptions) -> list[Task]:
    """Held-out prompts at their own targets, else at an even grid of them; without words, which
    are the systems' matter."""
    levels = np.linspace(-LIMIT, LIMIT, options.levels).tolist()
    place = {text: number for number, text in enumerate(_prompts(options))}
    asked = [row for row in _rows(options) if row.text in place]
    asked.sort(key=lambda row: place[row.text])
    return [replace(task, words="") for task in grid_tasks(asked, levels)]


def summary(
    seen: Judged, tasks: Sequence[Task], read: Sequence[tuple[float, float]]
) -> dict[str, float]:
    """Errors, ranks, content and variety over all tasks.

    Args:
        read: valence and arousal by the scorer, which best-of-N and the loop choose by.
    """
    numbers: dict[str, float] = {}
    for axis, name in enumerate(("v", "a")):
        targets = [task.target[axis] for task in tasks]
        metrics = axis_metrics(targets, seen.readings[:, axis].tolist())
        numbers |= {
            f"{name}_error": metrics.error,
            f"{name}_error_sd": float(seen.gaps[:, axis].std(unbiased=False)),
            f"{name}_constant": metrics.constant_error,
            f"{name}_spearman": metrics.spearman,
            f"{name}_error_by_scorer": axis_metrics(targets, [r[axis] for r in read]).error,
        }
    for name, right in (("place", seen.place_right), ("subject", seen.subject_right)):
        if not right.isnan().all():  # prompts of the drawn world
            numbers[name] = float(right.nanmean())
    if seen.cues.shape[1]:
        numbers["cue_variety"] = cue_variety(seen.cues, [task.target for task in tasks])
    return numbers


def continuity(
    make: Make, prompts: Sequence[str], sampler: Sampler, reader: EmotionReader | None = None
) -> dict[str, float]:
    """Along 9-point sweeps of each axis from one noise: Kendall's tau of target and reading, and
    the largest step of the picture against the mean step (1: even). Empty where nothing moves."""
    points = np.linspace(-LIMIT, LIMIT, SWEEP_POINTS).tolist()
    taus, steps = [], []
    for prompt, axis in itertools.product(prompts, (0, 1)):
        tasks = [Task(prompt, (p, 0.0) if axis == 0 else (0.0, p)) for p in points]
        images = make(tasks, replace(sampler, same_noise=True)).images
        taus.append(kendall_tau(points, judged(images, tasks, reader).readings[:, axis].tolist()))
        if not torch.equal(images, images[:1].expand_as(images)):
            steps.append(largest_step_ratio(images.flatten(1).numpy()))
    known = [tau for tau in taus if not np.isnan(tau)]
    if not known or not steps:  # a system that does not hear the emotion paints one picture
        return {}
    return {"sweep_tau": float(np.mean(known)), "largest_step": float(np.mean(steps))}


def judge_world(tasks: Sequence[Task], *, size: int, seed: int) -> dict[str, float]:
    """The judge's own V-Error + A-Error on the drawn world's pictures at these targets ("floor"),
    and the variety of those pictures."""
    from ..world.render import render
    from ..world.scene import sample_scene

    random = np.random.default_rng(seed)
    scenes = [sample_scene(random, split="held_out", emotion=task.target) for task in tasks]
    pictures = torch.stack([torch.from_numpy(np.array(render(s, size))) for s in scenes])
    seen = judged(pictures.float() / 255, tasks)
    variety = cue_variety(seen.cues, [task.target for task in tasks])
    return {"floor": float(seen.gap_sum.mean()), "cue_variety": variety}


class _Policies:
    """One policy a LoRA rank; the reference needs any."""

    def __init__(self, options: EvaluationOptions) -> None:
        self._options = options
        self._made: dict[int, Policy] = {}

    def of(self, checkpoint: Path | None) -> Policy:
        from ..families.choose import load_family

        rank = rank_of(checkpoint) if checkpoint else 1
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


def _check_writable(folder: Path) -> None:
    try:
        check_writable(folder / "report.md")
    except OSError as error:
        raise ConfigError(
            f"--out is {folder}, where no report can be written ({error}). Name another folder."
        ) from error


def _rows(options: EvaluationOptions) -> tuple[Prompt, ...]:
    if options.evaluation:
        return read_evaluation(options.evaluation)
    return tuple(Prompt(text) for text in load_prompts(options.prompts).held_out)


def _prompts(options: EvaluationOptions) -> tuple[str, ...]:
    held = tuple(dict.fromkeys(row.text for row in _rows(options)))
    if options.num_prompts > len(held):
        raise ConfigError(f"--num-prompts is {options.num_prompts}; there are {len(held)}.")
    return held[: options.num_prompts]


def _pair_scores(
    options: EvaluationOptions,
) -> dict[str, PairScore]:
    from ..rewards.models import ClipScore, PickScore, drawn_content_score

    found: dict[str, PairScore] = {}
    if options.drawn:
        found["clip_pair"] = drawn_content_score
    if options.clip:
        found["clip_score"] = ClipScore(options.clip)
    if options.pickscore:
        found["pick_score"] = PickScore(options.pickscore)
    return found


def _report(
    found: list[Measured], tasks: Sequence[Task], options: EvaluationOptions, panel: Panel
) -> str:
    first = found[0]
    rows = []
    for each in found:
        change = paired_difference(each.judged.gap_sum.tolist(), first.judged.gap_sum.tolist())
        rows.append((each.name, each.numbers, change))
    world = {}
    if options.drawn and panel.reader is None:
        size = max(first.sheet.shape[1], SMALLEST)
        world = judge_world(tasks, size=size, seed=options.seed)
    table = markdown(rows, count=len(tasks), world=world)
    text = f"{panel.told()}\n\n{table}"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "report.md").write_text(text + "\n", encoding="utf-8")
    record = {
        "systems": {n: numbers | {"change": vars_of(c)} for n, numbers, c in rows},
        "world": world,
        "scorer": panel.scorer.name,
        "judge": panel.judge,
        "circular": panel.circular,
        "options": {k: str(v) for k, v in asdict(options).items()},
    }
    for each in found:
        save_pictures(options.out, each.name, each.sheet, columns=options.levels)
    save_plot(options.out / "readings.png", [(e.name, e.judged.readings) for e in found], tasks)
    write_json(options.out / "report.json", record)  # last: a chain takes it for the end
    return text


def vars_of(change: object) -> dict[str, float]:
    """A slotted dataclass as a table."""
    return {name: getattr(change, name) for name in ("mean", "low", "high", "count")}
