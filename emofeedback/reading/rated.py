"""Pictures that people rated: the layout of OASIS, and one plain CSV for everything else.

The plain layout is a CSV file in UTF-8 with the columns `file`, `valence`, `arousal` and, if you
have it, `theme` (what the picture shows; pictures of a theme are held out together). `file` is a
path from the CSV's folder. The scale of the numbers is named by the caller.

OASIS (Kurdi, Lozano & Banaji 2017) comes as `ratings.csv` with `valence_mean` and `arousal_mean`
on 1..7 beside a folder `images`, or as its authors' `OASIS.csv` with `Theme`, `Valence_mean`,
`Arousal_mean`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..records.emotion import LIMIT, SCALES, Emotion, from_scale

OASIS_SCALE = "likert7"
_SUFFIXES = (".jpg", ".png", ".jpeg")
_FOLDED = str.casefold


@dataclass(frozen=True, slots=True)
class RatedPicture:
    """A picture and what people felt at it, on average."""

    path: Path
    theme: str
    emotion: Emotion


@dataclass(frozen=True, slots=True)
class _Layout:
    """Names of the columns (casefolded) and where the files lie."""

    file: str
    valence: str
    arousal: str
    theme: str
    scale: str


def read_ratings(path: Path, *, scale: str = "") -> list[RatedPicture]:
    """The rated pictures of a CSV file, or of a folder that holds one.

    Args:
        scale: one of `emofeedback.records.emotion.SCALES`; needed for the plain layout.
    Raises: ConfigError: no file, no known layout, or a rating off its scale.
    """
    table = _table_in(path)
    rows = list(_rows(table))
    if not rows:
        raise ConfigError(f"{table} holds no rows. Rate some pictures first.")
    layout = _layout(table, set(rows[0]), scale)
    return [_picture(table, number, row, layout) for number, row in enumerate(rows, 2)]


def _table_in(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*.csv")) if path.is_dir() else []
    named = [file for file in found if file.name.casefold() in ("ratings.csv", "oasis.csv")]
    if len(named or found) != 1:
        there = ", ".join(file.name for file in found) or "none"
        raise ConfigError(
            f"{path} is no CSV file and holds not exactly one (there: {there}). Name the file."
        )
    return (named or found)[0]


def _rows(table: Path) -> Iterator[dict[str, str]]:
    """Rows with casefolded names; the authors' own file is Latin-1 with bare carriage returns."""
    data = table.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    for row in csv.DictReader(text.splitlines()):
        yield {_FOLDED(k.strip()): (v or "").strip() for k, v in row.items() if k is not None}


def _layout(table: Path, columns: set[str], scale: str) -> _Layout:
    if {"valence_mean", "arousal_mean", "theme"} <= columns:
        file = "file" if "file" in columns else "theme"
        theme = "category" if file == "theme" else "theme"
        return _Layout(file, "valence_mean", "arousal_mean", theme, scale or OASIS_SCALE)
    if {"file", "valence", "arousal"} <= columns:
        if not scale:
            raise ConfigError(
                f"{table} does not say its scale. Name it with --scale: "
                + ", ".join(f"{name} ({low:g}..{high:g})" for name, (low, high) in SCALES.items())
            )
        return _Layout("file", "valence", "arousal", "theme", scale)
    raise ConfigError(
        f"{table} has the columns {', '.join(sorted(columns))}. Known layouts: file, valence, "
        "arousal (and theme); or OASIS with valence_mean, arousal_mean and theme."
    )


def _picture(table: Path, line: int, row: Mapping[str, str], layout: _Layout) -> RatedPicture:
    values = []
    for column in (layout.valence, layout.arousal):
        try:
            value = from_scale(float(row[column]), layout.scale)
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"{table}, line {line}: {column} is {row[column]!r}, not a number."
            ) from None
        if not -LIMIT <= value <= LIMIT:
            low, high = SCALES[layout.scale]
            raise ConfigError(
                f"{table}, line {line}: {column} is {row[column]}, outside the scale "
                f"{layout.scale} ({low:g}..{high:g}). Choose another with --scale."
            )
        values.append(value)
    theme = row.get(layout.theme, "") or row[layout.file]
    return RatedPicture(_file(table, line, row[layout.file]), theme, Emotion(*values))


def _file(table: Path, line: int, name: str) -> Path:
    """The picture of a row: beside the table or in its folder `images`, suffix optional."""
    for folder in (table.parent, table.parent / "images"):
        for suffix in ("", *_SUFFIXES):
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path
    raise ConfigError(
        f"{table}, line {line}: the picture {name!r} is neither beside the table nor in "
        f"{table.parent / 'images'}."
    )
