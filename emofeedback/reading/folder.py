"""Reading every picture of a folder into a table, which a broken-off run leaves whole."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, ImageError, ScorerAnswerError
from ..images import load_picture
from ..lvlm.base import ProgressCallback, unwatched
from ..records.emotion import Emotion
from ..records.files import replacing
from ..records.reading import Reading
from ..records.tables import as_cell, number, read_rows
from .base import Scorer
from .values import VALUES, file_words, value_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp")
COLUMNS = (
    "picture", "valence", "arousal", "uncertainty", "content", "words", "file_words", "cues",
    "clipped", "model", "calibration", "warnings", "error",
)  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """A picture of the folder: its row of the table, and the reading where it was read now."""

    path: Path
    row: Row
    reading: Reading | None = None

    @property
    def emotion(self) -> Emotion | None:
        """As read now or by an earlier run; None where reading failed."""
        if self.row["error"]:
            return None
        return Emotion(float(self.row["valence"]), float(self.row["arousal"]))


def pictures_in(folder: Path) -> list[Path]:
    """Every picture below a folder, by name. Raises: ConfigError: no folder, or none in it."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder. Name one with pictures.")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise ConfigError(f"{folder} holds no pictures ({', '.join(SUFFIXES)}).")
    return found


def score_folder(
    folder: Path,
    table: Path,
    scorer: Scorer,
    *,
    prompt: str = "",
    explain: bool = False,
    tick: ProgressCallback = unwatched,
) -> Iterator[Scored]:
    """Reads the pictures below a folder one by one; each is in the table before it is yielded.

    A table of an earlier run is gone on with: what one scorer of the same name has read is not read
    again, what failed is. A picture that cannot be read is named with its error, and the rest goes
    on; a scorer that cannot be reached ends the run.

    Args:
        prompt: what the pictures should show; readings then carry `content`.
        explain: also ask for the visible causes; slower.
        tick: called with the pictures done and the total; may raise to end.
    Raises: ConfigError: no pictures, or a table of something else. ScorerError.
    """
    pictures = pictures_in(folder)
    known = _known(table, scorer.name)
    names = {path: as_cell(path.relative_to(folder).as_posix()) for path in pictures}
    rows = [known[names[path]] for path in pictures if names[path] in known]
    with replacing(table) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        _writer(stream).writeheader()
        _writer(stream).writerows(rows)
    for done, path in enumerate(pictures, 1):
        name = names[path]
        if name in known:
            scored = Scored(path, known[name])
        else:
            scored = _scored(path, name, scorer, prompt, explain=explain)
            with table.open("a", encoding="utf-8", newline="") as stream:
                _writer(stream).writerow(scored.row)
        tick(done, len(pictures))
        yield scored


def _scored(path: Path, name: str, scorer: Scorer, prompt: str, *, explain: bool) -> Scored:
    read = scorer.explain if explain else scorer.score
    try:
        (reading,) = read(load_picture(path), prompt=prompt.strip() or None)
    except (ImageError, ScorerAnswerError) as error:
        return Scored(path, _failed(name, error))
    return Scored(path, _row(name, reading), reading)


def _failed(name: str, error: Exception) -> Row:
    empty = dict.fromkeys(COLUMNS, "")
    return empty | {"picture": name, "error": as_cell(" ".join(str(error).split()))}


def _row(name: str, reading: Reading) -> Row:
    values = {each: value_of(reading, each) for each in VALUES if each in COLUMNS}
    return {
        "picture": name,
        **{each: "" if value is None else round(value, 4) for each, value in values.items()},
        "words": as_cell(", ".join(reading.words)),
        "file_words": file_words(reading.emotion),
        "cues": as_cell(", ".join(cue.name for cue in reading.cues)),
        "clipped": int(reading.clipped),
        "model": as_cell(reading.model),
        "calibration": as_cell(reading.calibration),
        "warnings": as_cell(" ".join(reading.warnings)),
        "error": "",
    }


def _known(table: Path, scorer: str) -> Mapping[str, Row]:
    """Rows of an earlier run by picture, without those that failed or were read by another."""
    if not table.exists():
        return {}
    data = table.read_bytes()
    if not data.endswith(b"\n"):  # the line in which a machine went down
        with replacing(table) as partial:
            partial.write_bytes(data[: data.rfind(b"\n") + 1])
    found: dict[str, Row] = {}
    for row in read_rows(table):
        if set(COLUMNS) - set(row.values):
            raise ConfigError(
                f"{table} has other columns than these readings. Name another file, or move it."
            )
        values = {name: row.values[name] for name in COLUMNS}
        numbers = number(values["valence"]), number(values["arousal"])
        whole = None not in numbers and not values["error"] and values["clipped"] in ("0", "1")
        if whole and values["model"] == as_cell(scorer):
            found[values["picture"]] = values
    return found


def _writer(stream: Any) -> csv.DictWriter[str]:
    return csv.DictWriter(stream, COLUMNS, lineterminator="\n")
