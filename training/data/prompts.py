"""What pictures are asked for: prompt sets of our own, and targets that cover the plane evenly."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emofeedback.errors import ConfigError, EmoFeedbackError
from emofeedback.plane.metrics import GRID
from emofeedback.records.emotion import Emotion
from emofeedback.records.tables import column, is_json, lines_of, number, read_rows, read_text
from emofeedback.refining.kept_words import with_clause
from emofeedback.refining.rules import affect_phrase

from ..world.scene import held_out
from ..world.vocabulary import PLACE_PHRASES, PLACES, SUBJECT_PHRASES, SUBJECTS

log = logging.getLogger(__name__)
FOLDER = Path(__file__).parent / "prompt_sets"
COLUMNS = ("prompt", "text", "caption")
CELLS = 6
"""Cells along an axis that balanced targets visit equally often."""


@dataclass(frozen=True)
class Prompt:
    """A row of a prompt file."""

    text: str
    target: tuple[float, float] | None = None
    """What it is always asked for; None: the run's targets."""
    words: str = ""
    """Of emotion, for the model alone."""


@dataclass(frozen=True)
class TaskSet:
    """Prompts to train on, and prompts that only evaluations see."""

    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]
    rows: tuple[Prompt, ...] = ()
    """Of the training prompts, where a file says more of them, or says one more than once."""


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


def load_prompts(name: str) -> TaskSet:
    """A prompt set by name, or a file as `read_lines` takes it.

    Raises: ConfigError: no such set, an empty file, or a target off the scale.
    """
    if name == "drawn":
        return drawn_prompts()
    if name == "neutral":
        return TaskSet(
            name, read_lines(FOLDER / "neutral.txt"), read_lines(FOLDER / "neutral_held_out.txt")
        )
    path = Path(name)
    if not path.is_file():
        raise ConfigError(
            f"data.prompts is {name!r}: neither a file nor a set of ours (drawn, neutral)."
        )
    rows = read_prompts(path)
    lines = tuple({row.text.lower(): row.text for row in reversed(rows)}.values())[::-1]
    if len(lines) < 2:
        raise ConfigError(f"{path} has one prompt; training needs two or more, one is held out.")
    if len(lines) < len(rows):
        log.info(
            "%s: %d rows repeat a prompt; each counts, and is drawn as often as it stands there.",
            path, len(rows) - len(lines),
        )  # fmt: skip
    last = max(1, len(lines) // 10)
    trained = {text.lower() for text in lines[:-last]}
    kept = tuple(row for row in rows if row.text.lower() in trained)
    return TaskSet(path.stem, lines[:-last], lines[-last:], kept)


def read_lines(path: Path) -> tuple[str, ...]:
    """The texts of `read_prompts`."""
    return tuple(row.text for row in read_prompts(path))


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """Prompts of a file: one a line (`# comment` left out), JSON lines, or a table with a header.

    JSON lines and tables have a column `prompt` (or `text`, `caption`) and, where wanted, `valence`
    and `arousal` on [-3, 3] and `words`; others are left aside. A row may repeat a prompt.

    Raises: ConfigError: none there, no such column, half a target or one off the scale, or no text.
    """
    text = read_text(path)
    lines = [each for each in lines_of(text) if not each[1].lstrip().startswith("#")]
    header = _header(text)
    found: list[tuple[int, Any, Mapping[str, Any]]]
    if header in COLUMNS:
        found = [(line, _unquoted(prompt), {}) for line, prompt in lines[1:]]
    elif is_json(text) or header:
        rows = read_rows(path)
        name = column(rows, COLUMNS)
        if rows and not name:
            raise ConfigError(
                f"{path} has the columns {', '.join(rows[0].values)}, none of which is one of "
                f"{', '.join(COLUMNS)}. Name the one with the prompts so."
            )
        found = [(row.line, row.values.get(name) or "", row.values) for row in rows]
    else:
        found = [(line, prompt, {}) for line, prompt in lines]
    made = []
    for line, prompt, values in found:
        where = f"{path}, line {line}"
        if not isinstance(prompt, str):
            raise ConfigError(f"{where}: the prompt is {prompt!r}, which is no text.")
        plain, words = " ".join(prompt.split()), " ".join(str(values.get("words") or "").split())
        if plain:
            made.append(Prompt(plain, _target(where, values), words))
    if not made:
        raise ConfigError(f"The prompt file {path} is empty: write one prompt a line.")
    return tuple(made)


def _target(where: str, values: Mapping[str, Any]) -> tuple[float, float] | None:
    given = [values.get(axis) for axis in ("valence", "arousal")]
    if all(value in (None, "") for value in given):
        return None
    valence, arousal = (number(value) for value in given)
    if valence is None or arousal is None:
        raise ConfigError(
            f"{where}: valence and arousal are {given[0]!r} and {given[1]!r}; write two numbers, "
            "or leave both empty."
        )
    try:
        Emotion(valence, arousal)
    except EmoFeedbackError as error:
        raise ConfigError(f"{where}: {error}") from error
    return valence, arousal


def _header(text: str) -> str:
    """The first line if it is a header of a table with prompts, or of a list of them; else ""."""
    first = next((line for _, line in lines_of(text)), "").strip().strip('"').casefold()
    names = [name.strip(' "') for name in re.split(r"[\t;,|]", first)]
    words = all(re.fullmatch(r"[\w-]+", name) for name in names)
    return first if first in COLUMNS or (words and COLUMNS[0] in names) else ""


def _unquoted(line: str) -> str:
    """A cell of a table with one column, whose commas need no quotes."""
    cell = line.strip()
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if quoted else cell


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


def grid_tasks(prompts: Sequence[str]) -> list[Task]:
    """Every prompt at the 5 x 5 targets of the field's protocol."""
    return [Task(prompt, (v, a)) for prompt in prompts for v in GRID for a in GRID]


@functools.lru_cache(maxsize=64)
def _order(size: int, turn: int, seed: int, use: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng((seed, turn, use, 7)).permutation(size).tolist())


def _in_round(size: int, number: int, seed: int, use: int) -> int:
    turn, place = divmod(number, size)
    return _order(size, turn, seed, use)[place]
