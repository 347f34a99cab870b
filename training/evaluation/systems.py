"""Systems that evaluations compare: ways to a picture of a prompt that feels as asked.

Every system makes pictures of tasks and says how many it painted for each, so that all can be given
the same number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from emofeedback.errors import ConfigError
from emofeedback.images import from_png
from emofeedback.loop.steps import run_loop, start_loop
from emofeedback.reading.base import (
    Scorer,
)
from emofeedback.records.emotion import Emotion, clipped_emotion
from emofeedback.records.prompt import (
    with_clause,
)
from emofeedback.records.reading import (
    Reading,
)
from emofeedback.records.state import LoopPolicy
from emofeedback.refining.rules import RuleRefiner, affect_phrase

from ..data.prompts import Task
from ..rewards.stack import EmotionReader
from ..rl.measure import paint
from ..rl.policy import Policy


@dataclass(frozen=True)
class Sampler:
    """How pictures of an evaluation are sampled, the same for every system."""

    steps: int = 20
    guidance: float = 1.0
    seed: int = 0
    micro_batch: int = 25
    num_pictures: int = 12
    """Pictures that best-of-N and the loop may paint for one task."""
    candidates: int = 4
    """Pictures of a round."""
    same_noise: bool = False
    """All tasks start from one noise."""


@dataclass(frozen=True)
class Made:
    """What a system made: one final picture a task."""

    images: Tensor
    pictures_per_task: float
    seconds: float = 0.0


System = Callable[[Policy, Sequence[Task], Sampler, Scorer], Made]


def with_emotion(policy: Policy, tasks: Sequence[Task], sampler: Sampler, _: Scorer) -> Made:
    """One picture a task by the valence-arousal input."""
    return Made(_paint(policy, tasks, sampler), 1)


def phrases(policy: Policy, tasks: Sequence[Task], sampler: Sampler, _: Scorer) -> Made:
    """One picture a task by affect words in the prompt; the adapter stays out."""
    worded = [
        Task(with_clause(task.prompt, affect_phrase(Emotion(*task.target))), task.target)
        for task in tasks
    ]
    with policy.without_emotion():
        return Made(_paint(policy, worded, sampler), 1)


def words_alone(policy: Policy, tasks: Sequence[Task], sampler: Sampler, _: Scorer) -> Made:
    """One picture a task by the prompt alone: what an artist gets without this project."""
    with policy.without_emotion():
        return Made(_paint(policy, tasks, sampler), 1)


def best_of_n(policy: Policy, tasks: Sequence[Task], sampler: Sampler, scorer: Scorer) -> Made:
    """The one of N pictures of the valence-arousal input that the scorer reads nearest."""
    best = [(math.inf, torch.empty(0))] * len(tasks)
    for draw in range(sampler.num_pictures):
        images = _paint(policy, tasks, sampler, draw)
        for index, (image, task) in enumerate(zip(images, tasks, strict=True)):
            reading = scorer.score(image[None])[0]
            gap = Emotion(*task.target).gap_from(reading.emotion).size
            if gap < best[index][0]:
                best[index] = (gap, image)
    return Made(torch.stack([image for _, image in best]), sampler.num_pictures)


def feedback_loop(policy: Policy, tasks: Sequence[Task], sampler: Sampler, scorer: Scorer) -> Made:
    """Generate, score, refine: the emotion by input and the refiner's clause by words."""
    images, painted = [], 0
    rounds = max(1, sampler.num_pictures // sampler.candidates)
    limits = LoopPolicy(rounds=rounds, candidates=sampler.candidates, tolerance=0.0)
    for index, task in enumerate(tasks):
        state = start_loop(task.prompt, Emotion(*task.target), limits, seed=index)

        def make(prompt: str, seed: int, count: int, task: Task = task) -> Tensor:
            asked = [Task(prompt, task.target)] * count
            return _paint(policy, asked, sampler, 1000 + seed)

        for scored in run_loop(make, _Quick(scorer), RuleRefiner(), state):
            state = scored
        assert state.best is not None
        kept = state.rounds[state.best.round_index]
        images.append(from_png(kept.images[state.best.candidate]))
        painted += sum(len(each.images) for each in state.rounds)
    return Made(torch.stack(images), painted / len(tasks))


class _Quick:
    """A scorer that never explains: the rule refiner needs no cues, and writing them is slow."""

    def __init__(self, scorer: Scorer) -> None:
        self.name, self._scorer = scorer.name, scorer

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        return self._scorer.score(images, prompt=prompt)

    explain = score


class ReaderScorer:
    """A reader of emotions behind the scorer's contract, for best-of-N and the loop.

    Args:
        reader: pictures [B, H, W, 3] -> readings [B, 2].
    """

    name = "reader"

    def __init__(self, reader: EmotionReader) -> None:
        self._reader = reader

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture."""
        del prompt
        found = self._reader(images).tolist()
        return [Reading(emotion=clipped_emotion(v, a)[0], model=self.name) for v, a in found]

    explain = score


SYSTEMS: dict[str, System] = {
    "adapter": with_emotion,
    "best-of-n": best_of_n,
    "loop": feedback_loop,
    "phrase": phrases,
    "words": words_alone,
}


def parse_system(text: str) -> tuple[str, System, Path | None]:
    """`KIND` or `KIND@CHECKPOINT`: how pictures are made, by which weights; no checkpoint: base.

    Raises: ConfigError: unknown kind.
    """
    kind, _, path = text.partition("@")
    if kind not in SYSTEMS:
        raise ConfigError(
            f"There is no system {kind!r}. Known: {', '.join(SYSTEMS)}; each may be followed by "
            "@NAME_emotion.safetensors, or a run's checkpoints/step-NNNNNN, to use trained weights."
        )
    return text, SYSTEMS[kind], Path(path) if path else None


def _paint(policy: Policy, tasks: Sequence[Task], sampler: Sampler, draw: int = 0) -> Tensor:
    return paint(
        policy, tasks,
        steps=sampler.steps, guidance=sampler.guidance, seed=sampler.seed,
        micro_batch=sampler.micro_batch, draw=draw, same_noise=sampler.same_noise,
    )  # fmt: skip
