"""Pictures that people rated: the layout of OASIS, and one plain table for everything else.

The plain layout is a table with the columns `file`, `valence`, `arousal` and, if you have it,
`theme` (what the picture shows; pictures of a theme are held out together), as CSV of any
delimiter or as JSON lines. `file` is a path from the table's folder. The scale of the numbers is
named by the caller, one for both axes or one each.

OASIS (Kurdi, Lozano & Banaji 2017) comes as `ratings.csv` with `valence_mean` and `arousal_mean`
on 1..7 beside a folder `images`, or as its authors' `OASIS.csv` with `Theme`, `Valence_mean`,
`Arousal_mean`.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import ConfigError
from ..records.emotion import LIMIT, Emotion, from_scale, scale_bounds
from ..records.tables import Row, column, number, read_rows

OASIS_SCALE = "likert7"
_TABLES = (("*.csv",), ("*.tsv", "*.jsonl", "*.txt"))
_FILES = ("file", "filename", "image", "picture", "path")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True, slots=True)
class RatedPicture:
    """A picture and what people felt at it, on average."""

    path: Path
    theme: str
    emotion: Emotion


@dataclass(frozen=True, slots=True)
class _Layout:
    """Names of the columns (casefolded), and the scale of each axis."""

    file: str
    axes: tuple[str, str]
    theme: str
    scales: tuple[str, str]


def read_ratings(path: Path, *, scale: str = "") -> list[RatedPicture]:
    """The rated pictures of a table, or of a folder that holds one.

    Args:
        scale: as `emofeedback.records.emotion.scale_bounds` takes it, or two of them with a comma
            between, for valence and arousal; needed for the plain layout.
    Raises: ConfigError: no file, no known layout, or a rating off its scale.
    """
    table = _table_in(path)
    rows = read_rows(table)
    if not rows:
        raise ConfigError(f"{table} holds no rows. Rate some pictures first.")
    layout = _layout(table, rows, scale)
    return [_picture(table, row, layout) for row in rows]


def find_picture(table: Path, line: int, name: str) -> Path:
    """The picture that a row names: beside the table or in its folder `images`.

    Backslashes part folders, too; upper and lower case and the suffix need not be as on disk.

    Raises: ConfigError: none there, or two that differ in the suffix alone.
    """
    wanted = PurePosixPath(name.replace("\\", "/"))
    for folder in (table.parent, table.parent / "images"):
        if name and (folder / wanted).is_file():
            return folder / wanted
    for folder in (table.parent, table.parent / "images"):
        inner = (folder / wanted).parent
        if not inner.is_dir():
            continue
        whole, stems = _pictures_in(inner, inner.stat().st_mtime_ns)
        found = whole.get(_folded(wanted.name)) or stems.get(_folded(wanted.name), [])
        if len(found) > 1:
            raise ConfigError(
                f"{table}, line {line}: the picture {name!r} may be "
                f"{' or '.join(path.name for path in found)}. Write the whole name."
            )
        if found:
            return found[0]
    raise ConfigError(
        f"{table}, line {line}: the picture {name!r} is neither beside the table nor in "
        f"{table.parent / 'images'}."
    )


def _table_in(path: Path) -> Path:
    if path.is_file():
        return path
    found: list[Path] = []
    for patterns in _TABLES if path.is_dir() else ():
        found = found or sorted(file for pattern in patterns for file in path.glob(pattern))
    named = [file for file in found if file.name.casefold() in ("ratings.csv", "oasis.csv")]
    if len(named or found) != 1:
        there = ", ".join(file.name for file in found) or "none"
        raise ConfigError(
            f"{path} is no table and holds not exactly one (there: {there}). Name the file."
        )
    return (named or found)[0]


def _layout(table: Path, rows: list[Row], scale: str) -> _Layout:
    columns = set(rows[0].values)
    file = column(rows, _FILES)
    if {"valence_mean", "arousal_mean", "theme"} <= columns:
        theme = "theme" if file else "category"
        scales = _scales(scale or OASIS_SCALE)
        return _Layout(file or "theme", ("valence_mean", "arousal_mean"), theme, scales)
    if file and {"valence", "arousal"} <= columns:
        if not scale:
            raise ConfigError(
                f"{table} does not say its scale. Name it with --scale, as 1..9, or one an axis "
                "where they differ, as -3..3,0..6."
            )
        return _Layout(file, ("valence", "arousal"), "theme", _scales(scale))
    raise ConfigError(
        f"{table} has the columns {', '.join(sorted(columns))}. Known layouts: file, valence, "
        "arousal (and theme); or OASIS with valence_mean, arousal_mean and theme."
    )


def _scales(scale: str) -> tuple[str, str]:
    """Of valence and of arousal."""
    parts = [part.strip() for part in scale.split(",")]
    if len(parts) > 2:
        raise ConfigError(
            f"The scale is {scale!r}: write one, or two with a comma, valence's first."
        )
    for part in parts:
        scale_bounds(part)
    return parts[0], parts[-1]


def _picture(table: Path, row: Row, layout: _Layout) -> RatedPicture:
    values = []
    for axis, scale in zip(layout.axes, layout.scales):
        given = row.values.get(axis, "")
        rating = number(given)
        if rating is None:
            raise ConfigError(
                f"{table}, line {row.line}: {axis} is {given!r}, not a number. Correct the row, or "
                "remove it."
            )
        low, high = scale_bounds(scale)
        if not low <= rating <= high:
            raise ConfigError(
                f"{table}, line {row.line}: {axis} is {given}, outside the scale "
                f"{scale} ({low:g}..{high:g}). Choose another with --scale."
            )
        values.append(min(max(from_scale(rating, scale), -LIMIT), LIMIT))
    name = str(row.values.get(layout.file, ""))
    theme = str(row.values.get(layout.theme) or name)
    return RatedPicture(find_picture(table, row.line, name), theme, Emotion(*values))


@functools.lru_cache(maxsize=256)
def _pictures_in(
    folder: Path, _changed: int
) -> tuple[Mapping[str, list[Path]], Mapping[str, list[Path]]]:
    """Folded names and folded stems of the pictures in a folder, last changed at that time."""
    whole: dict[str, list[Path]] = {}
    stems: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.casefold() in _SUFFIXES:
            whole.setdefault(_folded(path.name), []).append(path)
            stems.setdefault(_folded(path.stem), []).append(path)
    return whole, stems


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
