"""Tables and lists as people have them: CSV of any delimiter and encoding, or JSON lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigError
from .files import parsed

_DELIMITERS = ("\t", ";", ",", "|")
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_LINE_END = re.compile(r"\r\n|\r|\n")
"""Not `str.splitlines`, which also cuts a caption at U+2028 and its like."""
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_SEPARATOR = re.compile(r"\s*sep=(.)\s*", re.IGNORECASE)
# A spreadsheet runs what begins so; a leading apostrophe makes it text again.
_FORMULA = re.compile(r"^\s*[=+\-@\t\r]")
_OBJECT = re.compile(r"\s*(\[\s*)*\{\s*\"")


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One record and the line of the file on which it begins (from 1)."""

    line: int
    values: Mapping[str, Any]
    """Casefolded names -> stripped text, or what JSON holds."""


def read_text(path: Path) -> str:
    """A text file in UTF-8, UTF-16 or UTF-32, else in Windows' Western encoding; no mark before it.

    Raises: ConfigError: it cannot be read, or is no text (a workbook, a picture).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error}).") from error
    if data.startswith(b"PK\x03\x04"):
        raise ConfigError(f"{path} is a workbook, not text. Save it as CSV, and name that file.")
    text = _decoded(data)
    if "\0" in text:
        raise ConfigError(f"{path} is no text file. Save the table as CSV in UTF-8.")
    return text


def lines_of(text: str) -> list[tuple[int, str]]:
    """Number (from 1) and text of each line that is not blank."""
    return [(n, line) for n, line in enumerate(_LINE_END.split(text), 1) if line.strip()]


def read_rows(path: Path) -> list[Row]:
    """The rows of a table with a header, or of JSON lines; empty ones are left out.

    The delimiter (comma, semicolon, tab, bar) is the one that gives the header most columns.

    Raises: ConfigError: as `read_text`, or a row that does not fit its header, with its line.
    """
    text = read_text(path)
    if is_json(text):
        return [Row(line, _table(path, line, value)) for line, value in json_values(path, text)]
    return list(_delimited(path, text))


def is_json(text: str) -> bool:
    """Whether a text begins as JSON objects do; a prompt in braces does not."""
    return _OBJECT.match(text) is not None


def json_values(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """Line and value of JSON lines, or of one list. Raises: ConfigError: no JSON, with its line."""
    whole = text.lstrip().startswith("[")
    for line, part in [(1, text)] if whole else lines_of(text):
        try:
            value = parsed(part)
        except ValueError as error:
            told = str(error) or type(error).__name__
            raise ConfigError(
                f"{path}, line {line} is no JSON ({told}): {part.strip()[:60]!r}. Correct it."
            ) from error
        yield from ((line, each) for each in value) if whole else [(line, value)]


def number(value: Any) -> float | None:
    """A finite number, from text also with a decimal comma or a typographic minus; else None."""
    if isinstance(value, str):
        plain = re.sub(r"\s", "", value).replace("−", "-")
        if not _NUMBER.fullmatch(plain):
            return None
        value = float(plain.replace(",", "."))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else None


def as_cell(value: T) -> T | str:
    """A value for a table that spreadsheets open: text that they would run stays text."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def column(rows: Sequence[Row], names: Sequence[str]) -> str:
    """The first of the names that the rows have; "" without one."""
    return next((name for name in names if rows and name in rows[0].values), "")


def _decoded(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace").removeprefix("\ufeff")
    head = data[:4096]
    zeros = head[::2].count(0), head[1::2].count(0)
    if max(zeros) > 20 * min(zeros):  # text has none but those of UTF-16's Western letters
        encoding = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
        return data.decode(encoding, errors="replace")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _table(path: Path, line: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}, line {line} holds {str(value)[:40]!r}, not a table in braces.")
    return {
        name.strip().casefold(): entry.strip() if isinstance(entry, str) else entry
        for name, entry in value.items()
    }


def _delimited(path: Path, text: str) -> Iterator[Row]:
    start = _SEPARATOR.match(text.split("\n", 1)[0])
    delimiter = start[1] if start else ""
    header: list[str] = []
    for line, cells in _records(path, text, delimiter or _delimiter(text)):
        if not any(cells) or (not header and (line, bool(start)) == (1, True)):
            continue
        if not header:
            header = [cell.casefold() for cell in cells]
            twice = {name for name in header if name and header.count(name) > 1}
            if twice:
                raise ConfigError(f"{path} has two columns {sorted(twice)[0]!r}. Rename one.")
            continue
        if any(cells[len(header) :]):
            raise ConfigError(
                f"{path}, line {line} has {len(cells)} cells, its header {len(header)}. Put text "
                "with the delimiter in double quotes; decimal commas need another delimiter."
            )
        named = zip_longest(header, cells[: len(header)], fillvalue="")
        yield Row(line, {name: cell for name, cell in named if name})


def _delimiter(text: str) -> str:
    """The one that cuts the first line into most cells."""
    first = next((line for _, line in lines_of(text)), "")
    cells = {each: len(next(csv.reader([first], delimiter=each), [])) for each in _DELIMITERS}
    return max(cells, key=lambda each: cells[each])


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(
            f"{path}, from line {line}: {error}. A double quote inside a quoted cell is written "
            "twice, and each one that is opened is closed."
        ) from error
