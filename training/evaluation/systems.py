"""Systems that evaluations compare: ways to a picture of a prompt that feels as asked.

A `System` spends a number of pictures on one prompt and target, by the loop's driver; so does the
loop's proof. Evaluations give whole lists of tasks to the entries of `SYSTEMS`, which say how many
pictures they painted for each, so that all can be given the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from emofeedback.embedded.scorer import load_scorer
from emofeedback.errors import ConfigError
from emofeedback.images import from_png
from emofeedback.loop.cost import loop_cost
from emofeedback.loop.driver import Generate, rewrite_first_prompt, run_loop
from emofeedback.loop.steps import start_loop
from emofeedback.reading.base import (
    Scorer,
)
from emofeedback.records.emotion import Emotion, clipped_emotion
from emofeedback.records.reading import (
    Reading,
)
from emofeedback.records.state import LoopPolicy, LoopState
from emofeedback.refining.base import Refiner
from emofeedback.refining.kept_words import with_clause
from emofeedback.refining.rules import RuleRefiner, affect_phrase

from ..data.prompts import Task
from ..rewards.stack import EmotionReader
from ..rl.measure import paint
from ..rl.policy import Policy


@dataclass(frozen=True, kw_only=True)
class System:
    """One way of spending pictures on a prompt and a target.

    Args:
        refiner: "none", "embedded" or "rules".
        rewrite_first: rewrite the prompt before the first round, without picture and reading.
        refine_rounds: refine between the rounds; else they only choose.
        emotion_input: the target also reaches the generator through its adapter.
        explain: have the scorer explain for the refiner; the rules need no cues.
        oracle: the judge reads and chooses in the scorer's place; for finding what limits.
    """

    name: str
    rounds: int = 3
    candidates: int = 4
    refiner: str = "none"
    rewrite_first: bool = False
    refine_rounds: bool = True
    emotion_input: bool = False
    explain: bool = True
    oracle: bool = False

    @property
    def pictures(self) -> int:
        """Pictures of one prompt and target."""
        return self.rounds * self.candidates

    def run(
        self, task: Task, generate: Generate, scorer: Scorer, *, seed: int, floor: float = 0.0
    ) -> LoopState:
        """Spends them.

        Args:
            seed: of the first round; every round has the next.
            floor: the policy's content floor.
        """
        policy = LoopPolicy(
            rounds=self.rounds, candidates=self.candidates, tolerance=0.0, content_floor=floor
        )
        refiner = _refiner(self.refiner)
        state = start_loop(task.prompt, Emotion(*task.target), policy, seed=seed)
        if self.rewrite_first and refiner is not None:
            state = rewrite_first_prompt(state, refiner)
        between = refiner if self.refine_rounds else None
        *_, state = run_loop(generate, scorer, between, state, explain=self.explain)
        return state


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

    return _chosen([system.run(t, make(i), scorer, seed=0) for i, t in enumerate(tasks)])


def feedback_loop(policy: Policy, tasks: Sequence[Task], sampler: Sampler, scorer: Scorer) -> Made:
    """Generate, score, refine: the emotion by input and the refiner's clause by words."""
    rounds = max(1, sampler.num_pictures // sampler.candidates)
    system = System(
        name="loop", rounds=rounds, candidates=sampler.candidates, refiner="rules",
        emotion_input=True, explain=False,
    )  # fmt: skip

    def make(task: Task) -> Generate:
        return lambda prompts, seed: _paint(
            policy, [Task(prompt, task.target) for prompt in prompts], sampler, 1000 + seed
        )

    return _chosen([system.run(t, make(t), scorer, seed=i) for i, t in enumerate(tasks)])


def _chosen(states: Sequence[LoopState]) -> Made:
    """The best picture of each."""
    best = [state.best_image for state in states]
    painted = sum(loop_cost(state)["pictures"] for state in states)
    return Made(torch.stack([from_png(image) for image in best]), painted / len(states))


def _refiner(name: str) -> Refiner | None:
    if name == "none":
        return None
    return RuleRefiner() if name == "rules" else load_scorer().refiner()


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
