"""Systems that evaluations compare: ways to a picture of a prompt that feels as asked.

A study's `System` spends pictures on one prompt and target. Evaluations give whole lists of tasks
to the entries of `SYSTEMS`, which say how many pictures they painted for each, so that all can be
given the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from emofeedback.errors import ConfigError
from emofeedback.images import from_png
from emofeedback.loop.cost import loop_cost
from emofeedback.loop.driver import Generate
from emofeedback.reading.base import (
    Scorer,
)
from emofeedback.records.emotion import Emotion, clipped_emotion
from emofeedback.records.reading import (
    Reading,
)
from emofeedback.records.state import LoopState
from emofeedback.refining.kept_words import with_clause
from emofeedback.refining.rules import affect_phrase
from emofeedback.study.systems import System

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


MakeAll = Callable[[Policy, Sequence[Task], Sampler, Scorer], Made]


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
    system = System(name="best-of-n", rounds=sampler.num_pictures, candidates=1, emotion_input=True)

    @cache
    def draw(number: int) -> Tensor:
        return _paint(policy, tasks, sampler, number)

    def make(index: int) -> Generate:
        return lambda _, seed: draw(seed)[index : index + 1]

    return _chosen([_run(system, t, make(i), scorer, 0) for i, t in enumerate(tasks)])


def feedback_loop(policy: Policy, tasks: Sequence[Task], sampler: Sampler, scorer: Scorer) -> Made:
    """Generate, score, refine: the emotion by input and the rules' clause by words."""
    return _loop(policy, tasks, sampler, scorer, refiner="rules")


def written_loop(policy: Policy, tasks: Sequence[Task], sampler: Sampler, scorer: Scorer) -> Made:
    """The loop with the paper's textual feedback: the scorer explains and rewrites the prompt."""
    return _loop(policy, tasks, sampler, scorer, refiner="scorer")


def check_writes(scorer: Scorer) -> None:
    """Raises: ConfigError: the scorer reads pictures only, so it cannot refine."""
    if "refine" not in scorer.abilities:
        raise ConfigError(
            f"loop-lvlm needs a scorer that writes, and {scorer.name!r} reads pictures only. Give "
            "--scorer-server URL --scorer-model NAME."
        )


def _loop(
    policy: Policy, tasks: Sequence[Task], sampler: Sampler, scorer: Scorer, *, refiner: str
) -> Made:
    rounds = max(1, sampler.num_pictures // sampler.candidates)
    system = System(
        name="loop", rounds=rounds, candidates=sampler.candidates, refiner=refiner,
        emotion_input=True, explain=refiner == "scorer",
    )  # fmt: skip

    def make(task: Task) -> Generate:
        return lambda prompts, seed: _paint(
            policy, [Task(prompt, task.target) for prompt in prompts], sampler, 1000 + seed
        )

    return _chosen([_run(system, t, make(t), scorer, i) for i, t in enumerate(tasks)])


def _run(system: System, task: Task, paint: Generate, scorer: Scorer, seed: int) -> LoopState:
    return system.run(task.prompt, Emotion(*task.target), paint, scorer, seed=seed)


def _chosen(states: Sequence[LoopState]) -> Made:
    """The best picture of each."""
    best = [state.best_image for state in states]
    painted = sum(loop_cost(state)["pictures"] for state in states)
    return Made(torch.stack([from_png(image) for image in best]), painted / len(states))


class ReaderScorer(Scorer):
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


SYSTEMS: dict[str, MakeAll] = {
    "adapter": with_emotion,
    "best-of-n": best_of_n,
    "loop": feedback_loop,
    "loop-lvlm": written_loop,
    "phrase": phrases,
    "words": words_alone,
}


def parse_system(text: str) -> tuple[str, MakeAll, Path | None]:
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
