"""What pictures are asked for: prompt sets of our own, and targets that cover the plane evenly."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emofeedback.errors import ConfigError
from emofeedback.plane.metrics import GRID
from emofeedback.records.emotion import Emotion
from emofeedback.refining.kept_words import with_clause
from emofeedback.refining.rules import affect_phrase

from ..world.scene import held_out
from ..world.vocabulary import PLACE_PHRASES, PLACES, SUBJECT_PHRASES, SUBJECTS
from .prompt_files import Prompt, read_lines, read_prompts

log = logging.getLogger(__name__)
FOLDER = Path(__file__).parent / "prompt_sets"
CELLS = 6
"""Cells along an axis that balanced targets visit equally often."""


@dataclass(frozen=True)
class TaskSet:
    """Prompts to train on, and prompts that only evaluations see."""

    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]
    rows: tuple[Prompt, ...] = ()
    """Of the training prompts, where a file says more of them, or says one more than once."""
    evaluation: tuple[Prompt, ...] = ()
    """Of the held-out prompts, where data.evaluation names them."""

    @functools.cached_property
    def measured(self) -> tuple[Prompt, ...]:
        """What evaluations ask for; rows of a file in an order of their own, since the first of
        a sorted one would not stand for all."""
        if not self.evaluation:
            return tuple(Prompt(text) for text in self.held_out)
        return tuple(self.evaluation[i] for i in _order(len(self.evaluation), 0, 0, 4))

    @functools.cached_property
    def digests(self) -> dict[str, str]:
        """Setting -> SHA-256 of the prompts, targets and words that it has brought."""
        given = {
            "data.prompts": self.rows or tuple(Prompt(text) for text in self.training),
            "data.evaluation": self.evaluation,
        }
        plain = {name: [(p.text, p.target, p.words) for p in rows] for name, rows in given.items()}
        return {
            name: hashlib.sha256(json.dumps(rows).encode()).hexdigest()
            for name, rows in plain.items()
        }


@dataclass(frozen=True)
class Task:
    """One group of a step."""

    prompt: str
    target: tuple[float, float]
    words: str = ""

    @property
    def told(self) -> str:
        """What the model hears: the prompt with its words of emotion."""
        return with_clause(self.prompt, self.words) if self.words else self.prompt


def load_prompts(name: str, evaluation: str = "") -> TaskSet:
    """A prompt set by name, or a file or folder as `read_prompts` takes it.

    Args:
        evaluation: file or folder of the prompts to measure with; empty: the set's held-out ones,
            of a file the last tenth.
    Raises: ConfigError: no such set, an empty file, a target off the scale, or prompts that are
        both trained and measured with.
    """
    if not evaluation:
        return _prompt_set(name, holds_out=True)
    measured = read_evaluation(evaluation)
    found = _prompt_set(name, holds_out=False)
    trained = {_key(text) for text in found.training}
    both = [row.text for row in measured if _key(row.text) in trained]
    if both:
        raise ConfigError(
            f"{len(both)} of {len(measured)} prompts of data.evaluation ({evaluation}) are trained "
            f"on, too (data.prompts={name}): {both[0]!r} is the first. Measuring with them would "
            "not tell what was learnt by heart: take them out of one of the two."
        )
    texts = tuple(dict.fromkeys(row.text for row in measured))
    return replace(found, held_out=texts, evaluation=measured)


def read_evaluation(name: str) -> tuple[Prompt, ...]:
    """Prompts to measure with. Raises: ConfigError: as `read_prompts`, or nothing is there."""
    if not Path(name).exists():
        raise ConfigError(f"data.evaluation is {name!r}: neither a file nor a folder.")
    return read_prompts(Path(name))


def _prompt_set(name: str, *, holds_out: bool) -> TaskSet:
    if name == "drawn":
        return drawn_prompts()
    if name == "neutral":
        return TaskSet(
            name, read_lines(FOLDER / "neutral.txt"), read_lines(FOLDER / "neutral_held_out.txt")
        )
    path = Path(name)
    if not path.exists():
        raise ConfigError(
            f"data.prompts is {name!r}: neither a file, nor a folder, nor a set of ours (drawn, "
            "neutral)."
        )
    rows = read_prompts(path)
    lines = tuple({_key(row.text): row.text for row in reversed(rows)}.values())[::-1]
    if holds_out and len(lines) < 2:
        raise ConfigError(f"{path} has one prompt; training needs two or more, one is held out.")
    if len(lines) < len(rows):
        log.info(
            "%s: %d rows repeat a prompt; each counts, and is drawn as often as it stands there.",
            path, len(rows) - len(lines),
        )  # fmt: skip
    first = len(lines) - max(1, len(lines) // 10) if holds_out else len(lines)
    trained = {_key(text) for text in lines[:first]}
    kept = tuple(row for row in rows if _key(row.text) in trained)
    return TaskSet(path.stem, lines[:first], lines[first:], kept)


def _key(prompt: str) -> str:
    """By which prompts are one and the same."""
    return prompt.lower()


@functools.cache
def drawn_prompts() -> TaskSet:
    """Neutral prompts of the drawn world; the held-out ones are its held-out (place, subject)."""
    sides: dict[bool, list[str]] = {False: [], True: []}
    for place in PLACES:
        for subject in SUBJECTS:
            text = f"{SUBJECT_PHRASES[subject][0]} {PLACE_PHRASES[place][0]}"
            sides[held_out(place, subject)].append(text)
    return TaskSet("drawn", tuple(sides[False]), tuple(sides[True]))


@functools.cache
def drawn_content() -> dict[str, tuple[str, str]]:
    """Place and subject that a prompt of `drawn_prompts` names."""
    return {
        f"{SUBJECT_PHRASES[subject][0]} {PLACE_PHRASES[place][0]}": (place, subject)
        for place in PLACES
        for subject in SUBJECTS
    }


def read_targets(given: Any) -> tuple[tuple[float, float], ...] | None:
    """Targets of the config: None for "balanced", else those of its list.

    Raises: ConfigError: no such list, or a target off the scale.
    """
    if given == "balanced":
        return None
    try:
        pairs = [(float(valence), float(arousal)) for valence, arousal in list(given)]
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"data.targets is {given!r}; write 'balanced', or a list as [[2, -1], [-2, 2]]."
        ) from error
    if not pairs:
        raise ConfigError("data.targets is an empty list: name a target, or write 'balanced'.")
    for valence, arousal in pairs:
        Emotion(valence, arousal)
    return tuple(pairs)


def draw_tasks(
    prompts: Sequence[str | Prompt],
    targets: Sequence[tuple[float, float]] | None,
    *,
    count: int,
    seed: int,
    step: int,
    phrase: bool = False,
) -> list[Task]:
    """The groups of a training step; a pure function of seed and step, so nothing need be stored.

    Prompts and cells of the plane each come in rounds, every one once a round, in an order of the
    round's own. A prompt with a target of its own keeps that.

    Args:
        phrase: prompts without words get those of our own table for their target.
    """
    first = step * count
    tasks = []
    for place in range(first, first + count):
        chosen = prompts[_in_round(len(prompts), place, seed, 0)]
        row = Prompt(chosen) if isinstance(chosen, str) else chosen
        random = np.random.default_rng((seed, place, 1))
        if row.target is not None:
            target = row.target
        elif targets is not None:
            target = targets[_in_round(len(targets), place, seed, 2)]
        else:
            cell = _in_round(CELLS**2, place, seed, 3)
            corner = np.array(divmod(cell, CELLS)) + random.random(2)
            valence, arousal = (corner / CELLS * 6 - 3).round(3)
            target = (float(valence), float(arousal))
        words = row.words or (affect_phrase(Emotion(*target)) if phrase else "")
        tasks.append(Task(row.text, target, words))
    return tasks


def grid_tasks(prompts: Sequence[Prompt], levels: Sequence[float] = GRID) -> list[Task]:
    """Every prompt at its own target, else at all targets of an even grid (5 x 5 as the field's
    protocol has it)."""
    grid = [(valence, arousal) for valence in levels for arousal in levels]
    return [
        Task(row.text, target, row.words)
        for row in prompts
        for target in (grid if row.target is None else [row.target])
    ]


@functools.lru_cache(maxsize=64)
def _order(size: int, turn: int, seed: int, use: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng((seed, turn, use, 7)).permutation(size).tolist())


def _in_round(size: int, number: int, seed: int, use: int) -> int:
    turn, place = divmod(number, size)
    return _order(size, turn, seed, use)[place]
