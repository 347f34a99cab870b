"""Prompts as files and folders hold them: lists, JSON lines, tables, folders of `datasets`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emofeedback.errors import ConfigError, EmoFeedbackError
from emofeedback.records.emotion import Emotion
from emofeedback.records.tables import Row, column, is_json, lines_of, number, read_rows, read_text

from .datasets_folder import no_column, read_folder

COLUMNS = ("prompt", "text", "caption")
BESIDE = ("valence", "arousal", "words")
_Found = tuple[int, Any, Mapping[str, Any]]
"""Number of a line or row, its prompt, its other cells."""


@dataclass(frozen=True)
class Prompt:
    """A row of a prompt file."""

    text: str
    target: tuple[float, float] | None = None
    """What it is always asked for; None: the run's targets."""
    words: str = ""
    """Of emotion, for the model alone."""


def read_lines(path: Path) -> tuple[str, ...]:
    """The texts of `read_prompts`."""
    return tuple(row.text for row in read_prompts(path))


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """Prompts of a file: one a line (`# comment` left out), JSON lines, or a table with a header;
    or of a folder that `datasets` wrote by `save_to_disk`.

    All but a list have a column `prompt` (or `text`, `caption`) and, where wanted, `valence` and
    `arousal` on [-3, 3] and `words`; others are left aside. A row may repeat a prompt.

    Raises: ConfigError: none there, no such column, half a target or one off the scale, or no text.
        MissingDependencyError: a folder, and `datasets` is not installed.
    """
    unit, found = ("row", _of_folder(path)) if path.is_dir() else ("line", _of_file(path))
    made = []
    for place, prompt, values in found:
        where = f"{path}, {unit} {place}"
        words = values.get("words") or ""
        for name, each in (("the prompt", prompt), ("words", words)):
            if not isinstance(each, str):
                raise ConfigError(f"{where}: {name} is {each!r}, which is no text.")
        plain = " ".join(prompt.split())
        if plain:
            made.append(Prompt(plain, _target(where, values), " ".join(words.split())))
    if not made:
        raise ConfigError(f"{path} is empty of prompts: write one a {unit}.")
    return tuple(made)


def _of_folder(path: Path) -> list[_Found]:
    return _of_rows(path, read_folder(path, COLUMNS, BESIDE))


def _of_file(path: Path) -> list[_Found]:
    text = read_text(path)
    lines = [each for each in lines_of(text) if not each[1].lstrip().startswith("#")]
    header = _header(text)
    if header in COLUMNS:
        return [(line, _unquoted(prompt), {}) for line, prompt in lines[1:]]
    if is_json(text) or header:
        return _of_rows(path, read_rows(path))
    return [(line, prompt, {}) for line, prompt in lines]


def _of_rows(path: Path, rows: Sequence[Row]) -> list[_Found]:
    name = column(rows, COLUMNS)
    if rows and not name:
        raise no_column(path, list(rows[0].values), COLUMNS)
    return [(row.line, row.values.get(name) or "", row.values) for row in rows]


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
