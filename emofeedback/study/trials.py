"""One system on one pair: made, chosen, and every picture measured by a judge that never chooses.

Every picture of a trial is measured in the order of making, beside what the system's own scorer
read; so one trial gives the final result and the whole curve of error against pictures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import ScorerAnswerError
from ..images import from_png
from ..loop.cost import loop_cost
from ..loop.driver import Generate, TakeAim
from ..loop.ranking import rank_readings
from ..loop.report import unread_in_words
from ..reading.base import Scorer
from ..records.emotion import Emotion
from ..records.reading import measured
from ..records.state import LoopState
from ..refining.base import Refiner
from ..refining.cues import named_cues
from .systems import System


@dataclass(frozen=True)
class Pair:
    """What is asked of every system: a prompt, a target and a seed."""

    prompt: str
    target: Emotion
    seed: int


@dataclass(frozen=True)
class Judged:
    """What a judge sees in a picture; whether the content is right where it can tell."""

    valence: float
    arousal: float
    place: bool | None = None
    subject: bool | None = None


Judge = Callable[[Tensor], Sequence[Judged]]


def scorer_as_judge(scorer: Scorer) -> Judge:
    """A scorer as the judge of pictures [B, H, W, 3]."""

    def judge(images: Tensor) -> list[Judged]:
        emotions = [reading.emotion for reading in scorer.score(images)]
        return [Judged(emotion.valence, emotion.arousal) for emotion in emotions]

    return judge


@dataclass(frozen=True)
class Shot:
    """One picture: what the judge measured, what the system read, whether the content is there."""

    judged: tuple[float, float]
    read: tuple[float, float]
    content: float | None
    """What the CLIP pair made of the artist's prompt in it; None where it was not asked."""
    place: bool | None = None
    subject: bool | None = None
    """Whether the judge saw the right ones; None where it does not know."""


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


def run_trial(
    system: System,
    pair: Pair,
    paint: Generate,
    scorer: Scorer,
    judge: Judge,
    *,
    floor: float = 0.0,
    saved: Callable[[], float] = lambda: 0.0,
    take_aim: TakeAim | None = None,
    refiner: Refiner | None = None,
) -> tuple[Trial, Tensor]:
    """Make, choose and measure; also returns the chosen picture [H, W, 3].

    Args:
        floor: no picture of less content is handed out while there is another.
        saved: seconds that an earlier system's painting spared this one.
        take_aim: of `paint`, where it can be told another emotion.
        refiner: in the place of the system's own.
    Raises: ScorerAnswerError: a picture could not be read. ScorerError: no scorer can be asked.
    """
    started = time.perf_counter()
    state = system.run(
        pair.prompt,
        pair.target,
        paint,
        scorer,
        seed=pair.seed,
        floor=floor,
        take_aim=take_aim,
        refiner=refiner,
    )
    seconds = time.perf_counter() - started + saved()
    return _measured(system, pair, state, judge, seconds, floor)


def _measured(
    system: System, pair: Pair, state: LoopState, judge: Judge, seconds: float, floor: float
) -> tuple[Trial, Tensor]:
    images = torch.stack([from_png(data) for record in state.rounds for data in record.images])
    readings = [reading for record in state.rounds for reading in measured(record.readings)]
    unread = [why for record in state.made for why in unread_in_words(record)]
    if unread:  # systems are compared picture by picture: none may have fewer chances
        raise ScorerAnswerError(f"{system.name} on {pair.prompt!r} cannot be compared: {unread[0]}")
    shots = tuple(
        Shot(
            (seen.valence, seen.arousal),
            (reading.emotion.valence, reading.emotion.arousal),
            reading.content,
            seen.place,
            seen.subject,
        )
        for seen, reading in zip(judge(images), readings, strict=True)
    )
    chosen = tuple(
        rank_readings(readings[: n + 1], pair.target, content_floor=floor)[0]
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


def final_gap(trial: Trial, pictures: int | None = None) -> float:
    """Judged gap size of the picture handed out after that many pictures; default: after all."""
    number = len(trial.shots) if pictures is None else min(pictures, len(trial.shots))
    return judged_gap(trial.shots[trial.chosen[number - 1]], Emotion(*trial.target))


def nearest_gap(trial: Trial) -> float:
    """Smallest judged gap size of all pictures made: what a perfect scorer would have chosen."""
    return min(judged_gap(shot, Emotion(*trial.target)) for shot in trial.shots)


def axis_error(trial: Trial, axis: int) -> float:
    """Judged absolute gap of the final picture on an axis: 0 valence, 1 arousal."""
    return abs(trial.target[axis] - trial.shots[trial.chosen[-1]].judged[axis])
