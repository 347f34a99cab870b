"""What pictures are asked for: prompt sets of our own, and targets that cover the plane evenly."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emofeedback.errors import ConfigError
from emofeedback.plane.metrics import GRID
from emofeedback.records.emotion import Emotion
from emofeedback.records.tables import column, is_json, lines_of, read_rows, read_text

from ..world.scene import held_out
from ..world.vocabulary import PLACE_PHRASES, PLACES, SUBJECT_PHRASES, SUBJECTS

FOLDER = Path(__file__).parent / "prompt_sets"
COLUMNS = ("prompt", "text", "caption")
MOST_TOLD = 20
CELLS = 6
"""Cells along an axis that balanced targets visit equally often."""


@dataclass(frozen=True)
class TaskSet:
    """Prompts to train on, and prompts that only evaluations see."""

    name: str
    training: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One group of a step."""

    prompt: str
    target: tuple[float, float]


def load_prompts(name: str) -> TaskSet:
    """A prompt set by name, or a file as `read_lines` takes it.

    Raises: ConfigError: no such set; an empty file, or one with duplicates.
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
    lines = read_lines(path)
    if len(lines) < 2:
        raise ConfigError(f"{path} has one prompt; training needs two or more, one is held out.")
    last = max(1, len(lines) // 10)
    return TaskSet(path.stem, lines[:-last], lines[-last:])


def read_lines(path: Path) -> tuple[str, ...]:
    """Prompts of a file: one a line (`# comment` left out), JSON lines, or a table with a header.

    JSON lines and tables have a column `prompt` (or `text`, `caption`); others are left aside.

    Raises: ConfigError: none there, no such column, duplicates (all of them named), or no text.
    """
    text = read_text(path)
    found = [each for each in lines_of(text) if not each[1].lstrip().startswith("#")]
    header = _header(text)
    if header in COLUMNS:
        found = [(line, _unquoted(prompt)) for line, prompt in found[1:]]
    elif is_json(text) or header:
        rows = read_rows(path)
        name = column(rows, COLUMNS)
        if rows and not name:
            raise ConfigError(
                f"{path} has the columns {', '.join(rows[0].values)}, none of which is one of "
                f"{', '.join(COLUMNS)}. Name the one with the prompts so."
            )
        found = [(row.line, row.values.get(name) or "") for row in rows]
    lines: dict[str, tuple[str, list[int]]] = {}
    for line, prompt in found:
        if not isinstance(prompt, str):
            raise ConfigError(f"{path}, line {line}: the prompt is {prompt!r}, which is no text.")
        plain = " ".join(prompt.split())
        if plain:
            lines.setdefault(plain.lower(), (plain, []))[1].append(line)
    if not lines:
        raise ConfigError(f"The prompt file {path} is empty: write one prompt a line.")
    twice = [f"{plain!r} (lines {str(on)[1:-1]})" for plain, on in lines.values() if on[1:]]
    if twice:
        more = f"; and {len(twice) - MOST_TOLD} more" if len(twice) > MOST_TOLD else ""
        raise ConfigError(
            f"The prompt file {path} has {len(twice)} prompts that stand there more than once and "
            f"would count so: {'; '.join(twice[:MOST_TOLD])}{more}. Leave one of each."
        )
    return tuple(plain for plain, _ in lines.values())


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
    prompts: Sequence[str],
    targets: Sequence[tuple[float, float]] | None,
    *,
    count: int,
    seed: int,
    step: int,
) -> list[Task]:
    """The groups of a training step; a pure function of seed and step, so nothing need be stored.

    Prompts and cells of the plane each come in rounds, every one once a round, in an order of the
    round's own.
    """
    first = step * count
    tasks = []
    for number in range(first, first + count):
        prompt = prompts[_in_round(len(prompts), number, seed, 0)]
        random = np.random.default_rng((seed, number, 1))
        if targets is not None:
            target = targets[_in_round(len(targets), number, seed, 2)]
        else:
            cell = _in_round(CELLS**2, number, seed, 3)
            corner = np.array(divmod(cell, CELLS)) + random.random(2)
            valence, arousal = (corner / CELLS * 6 - 3).round(3)
            target = (float(valence), float(arousal))
        tasks.append(Task(prompt, target))
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
