"""The systems that the loop's proof compares, each run on one pair and measured.

Every picture of a trial is measured by the judge, in the order of making, beside what the system's
own scorer read; so one trial gives the final result and the whole curve of error against pictures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from emofeedback.embedded import generator
from emofeedback.embedded.scorer import load_scorer
from emofeedback.images import from_png
from emofeedback.loop.cost import loop_cost
from emofeedback.loop.ranking import rank_readings
from emofeedback.reading.base import (
    Scorer,
)
from emofeedback.records.emotion import Emotion, clipped_emotion
from emofeedback.records.reading import (
    Reading,
)
from emofeedback.records.state import LoopState
from emofeedback.refining.cues import named_cues

from ..data.prompts import Task
from ..evaluation.systems import System
from ..world.judge import judge
from ..world.scene import Scene

CONTENT_FLOOR = 0.5
"""No system may hand out a picture whose content the CLIP pair doubts, while it has another."""


SYSTEMS = (
    System(name="first picture", rounds=1, candidates=1),
    System(name="best of 12"),
    System(
        name="rewritten once by the LVLM, best of 12",
        refiner="embedded",
        rewrite_first=True,
        refine_rounds=False,
    ),
    System(
        name="rewritten once by rules, best of 12",
        refiner="rules",
        rewrite_first=True,
        refine_rounds=False,
    ),
    System(name="loop, LVLM refiner", refiner="embedded", rewrite_first=True),
    System(name="loop, rule refiner", refiner="rules", rewrite_first=True),
    System(
        name="loop, LVLM refiner, V-A input",
        refiner="embedded",
        rewrite_first=True,
        emotion_input=True,
    ),
)
OWN_PROMPT = (
    System(name="loop from the artist's own prompt, LVLM refiner", refiner="embedded"),
    System(name="loop from the artist's own prompt, rule refiner", refiner="rules"),
)
ORACLES = (
    System(name="best of 12, oracle scorer", oracle=True),
    System(
        name="loop, LVLM refiner, oracle scorer",
        refiner="embedded",
        rewrite_first=True,
        oracle=True,
    ),
    System(
        name="loop, rule refiner, oracle scorer",
        refiner="rules",
        rewrite_first=True,
        oracle=True,
    ),
)


@dataclass(frozen=True)
class Pair:
    """What is asked of every system: a content, its neutral prompt, a target and a seed."""

    scene: Scene
    prompt: str
    target: Emotion
    seed: int


@dataclass(frozen=True)
class Shot:
    """One picture: what the judge measured, what the system read, whether the content is there."""

    judged: tuple[float, float]
    read: tuple[float, float]
    content: float | None
    """What the CLIP pair made of the artist's prompt in it; None where it was not asked."""
    place: bool
    subject: bool


@dataclass(frozen=True)
class Move:
    """A cue that the refiner changed, and the judged gap size of the best, before and after."""

    family: str
    before: str
    after: str
    gap_before: float
    gap_after: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One system on one pair. `chosen[n]` is the picture it would hand out after n + 1 pictures."""

    system: str
    prompt: str
    target: tuple[float, float]
    shots: tuple[Shot, ...]
    chosen: tuple[int, ...]
    prompts: tuple[str, ...]
    moves: tuple[Move, ...]
    tokens: int
    seconds: float

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @staticmethod
    def of_record(record: dict[str, Any]) -> Trial:
        """Back from JSON values."""
        shots = tuple(
            Shot(**{**shot, "judged": tuple(shot["judged"]), "read": tuple(shot["read"])})
            for shot in record["shots"]
        )
        lists = {name: tuple(record[name]) for name in ("target", "chosen", "prompts")}
        moves = tuple(Move(**move) for move in record["moves"])
        return Trial(**{**record, **lists, "shots": shots, "moves": moves})


class JudgeScorer(Scorer):
    """The judge as a scorer: an oracle, to find out what a better scorer would be worth."""

    name = "judge"

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture [B, H, W, 3]."""
        seen = judge(images)
        felt = zip(seen.valence.tolist(), seen.arousal.tolist(), strict=True)
        emotions = [clipped_emotion(valence, arousal)[0] for valence, arousal in felt]
        return [Reading(emotion=e, uncertainty=(0.3, 0.3), model=self.name) for e in emotions]


def run_trial(system: System, pair: Pair) -> tuple[Trial, Tensor]:
    """Make, choose and measure; also returns the chosen picture [H, W, 3]."""
    scorer: Scorer = JudgeScorer() if system.oracle else load_scorer()
    started = time.perf_counter()
    paint = Painter(pair.target if system.emotion_input else None)
    task = Task(pair.prompt, (pair.target.valence, pair.target.arousal))
    state = system.run(task, paint, scorer, seed=pair.seed, floor=CONTENT_FLOOR)
    seconds = time.perf_counter() - started + paint.saved
    return _measured(system, pair, state, seconds)


class Painter:
    """A generate callable; what several systems ask for is painted once and its time remembered."""

    def __init__(self, emotion: Emotion | None) -> None:
        self.felt = None if emotion is None else (emotion.valence, emotion.arousal)
        self.saved = 0.0
        """Seconds that painting would have taken where an earlier system had done it."""

    def __call__(self, prompts: Sequence[str], seed: int) -> Tensor:
        """Pictures [B, H, W, 3], one a prompt, of one seed."""
        started = time.perf_counter()
        images, seconds = _painted(tuple(prompts), seed, self.felt)
        self.saved += seconds - (time.perf_counter() - started)
        return images


@lru_cache(maxsize=64)
def _painted(
    prompts: tuple[str, ...], seed: int, felt: tuple[float, float] | None
) -> tuple[Tensor, float]:
    started = time.perf_counter()
    emotion = None if felt is None else [felt] * len(prompts)
    images = generator.generate(list(prompts), emotion=emotion, seed=seed, half=True)
    return images, time.perf_counter() - started


def _measured(system: System, pair: Pair, state: LoopState, seconds: float) -> tuple[Trial, Tensor]:
    images = torch.stack([from_png(data) for record in state.rounds for data in record.images])
    seen = judge(images)
    readings = [reading for record in state.rounds for reading in record.readings]
    shots = tuple(
        Shot(
            (float(seen.valence[i]), float(seen.arousal[i])),
            (reading.emotion.valence, reading.emotion.arousal),
            reading.content,
            seen.places[i] == pair.scene.place,
            seen.subjects[i] == pair.scene.subject,
        )
        for i, reading in enumerate(readings)
    )
    chosen = tuple(
        rank_readings(readings[: n + 1], pair.target, content_floor=CONTENT_FLOOR)[0]
        for n in range(len(readings))
    )
    trial = Trial(
        system=system.name,
        prompt=pair.prompt,
        target=(pair.target.valence, pair.target.arousal),
        shots=shots,
        chosen=chosen,
        prompts=tuple(record.prompt for record in state.rounds),
        moves=_moves(pair, state, shots, system.candidates),
        tokens=int(loop_cost(state)["tokens"]),
        seconds=seconds,
    )
    return trial, images[chosen[-1]]


def _moves(
    pair: Pair, state: LoopState, shots: tuple[Shot, ...], candidates: int
) -> tuple[Move, ...]:
    moves = []
    gaps = [
        judged_gap(shots[number * candidates + record.best], pair.target)
        for number, record in enumerate(state.rounds)
    ]
    for number, record in enumerate(state.rounds[:-1]):
        following = state.rounds[number + 1]
        before, after = named_cues(record.prompt), named_cues(following.prompt)
        moves += [
            Move(new.family, old.label, new.label, gaps[number], gaps[number + 1])
            for old, new in zip(before, after, strict=True)
            if old != new
        ]
    return tuple(moves)


def judged_gap(shot: Shot, target: Emotion) -> float:
    """Gap size between the target and what the judge measured."""
    return target.gap_from(Emotion(*shot.judged)).size
