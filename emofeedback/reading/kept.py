"""Readings on disk, a line each once they are made: a run that was killed goes on from them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..records.emotion import Emotion
from ..records.files import parsed
from ..records.reading import Reading

ENDING = ".readings.jsonl"


class KeptReadings:
    """Readings of pictures by one scorer, in a file that may hold those of others, too.

    Args:
        path: made where there is none; it is opened at once, so that a disk that cannot be written
            is told before the first reading.
        scorer: names the scorer and all its settings; other scorers' readings are left alone.
    Raises: ConfigError: the file cannot be written.
    """

    def __init__(self, path: Path, scorer: str) -> None:
        self.path, self._scorer = path, scorer
        self._known: dict[str, Reading] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes() if path.exists() else b""
            self._stream = path.open("ab")
            if data and not data.endswith(b"\n"):
                self._stream.write(b"\n")  # a kill cut the last line off
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written ({error}). Choose another --out."
            ) from error
        for line in data.splitlines():
            known = _parsed(line, scorer)
            if known is not None:
                self._known[known[0]] = known[1]

    def __len__(self) -> int:
        return len(self._known)

    def get(self, picture: str) -> Reading | None:
        """The reading of a picture by its digest, None where there is none."""
        return self._known.get(picture)

    def keep(self, picture: str, name: str, reading: Reading) -> None:
        """Adds a reading; it outlives a kill of the process from then on.

        Raises: ConfigError: the disk is full.
        """
        row = {"scorer": self._scorer, "picture": picture, "file": name, **reading.as_dict()}
        try:
            self._stream.write(json.dumps(row).encode() + b"\n")
            self._stream.flush()
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be written any more ({error}). The {len(self)} readings in it "
                "are kept: make room, and run the same command again."
            ) from error
        self._known[picture] = reading


def picture_digest(path: Path) -> str:
    """Names a picture by its content. Raises: OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _parsed(line: bytes, scorer: str) -> tuple[str, Reading] | None:
    """Picture and reading of a line, None of another scorer's or of a broken one."""
    try:
        row: dict[str, Any] = parsed(line)
        if row["scorer"] != scorer:
            return None
        spread = row["uncertainty"]
        reading = Reading(
            emotion=Emotion(float(row["valence"]), float(row["arousal"])),
            uncertainty=(float(spread[0]), float(spread[1])),
            words=tuple(map(str, row["words"])),
            raw_text=str(row["raw_text"]),
            prompt_version=str(row["prompt_version"]),
            model=str(row["model"]),
            calibration=str(row["calibration"]),
            clipped=bool(row["clipped"]),
            warnings=tuple(map(str, row["warnings"])),
            seconds=float(row["seconds"]),
            tokens=int(row["tokens"]),
        )
        return str(row["picture"]), reading
    except (ValueError, KeyError, TypeError, IndexError):
        return None
