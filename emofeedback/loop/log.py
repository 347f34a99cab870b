"""The events of past runs on disk, one JSON line each, so that a page can show them again."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ..records.files import parsed
from .events import Event, upgraded

KEPT_RUNS = 60


class RunLog:
    """A folder of runs that keeps the newest.

    Args:
        folder: made when the first run is written; runs in folders below it are read, too.
        part: the folder below it for what is written, so that several writers, each with its
            own, never delete what others wrote.
        keep: older runs of the part beyond this many are deleted.
    """

    def __init__(self, folder: Path, *, part: str = "", keep: int = KEPT_RUNS) -> None:
        self._folder, self._part = folder, folder / part
        self._keep = keep

    def append(self, run_id: str, events: Sequence[Event]) -> None:
        """Adds events to a run, which begins with its first: all of them, or none.

        Raises: OSError: the disk is full or may not be written.
        """
        file = self._part / f"{run_id}.jsonl"
        if not file.exists():
            self._part.mkdir(parents=True, exist_ok=True)
            self._prune()
        lines = "".join(json.dumps(event) + "\n" for event in events).encode()
        with file.open("ab", buffering=0) as stream:
            begun = stream.tell()
            written = stream.write(lines)
            if written < len(lines):  # the disk took the last of what it could
                stream.truncate(begun)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    def read(self, run_id: str) -> list[Event] | None:
        """The events of a run as this version writes them, None where there is none.

        A line cut off by a crash is left out.

        The id is only compared with the runs that are there and never becomes part of a path.
        """
        file = {known.stem: known for known in self._folder.rglob("*.jsonl")}.get(run_id)
        if file is None:
            return None
        events = []
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = parsed(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return upgraded(events)

    def _prune(self) -> None:
        files = sorted(self._part.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
        for file in files[: max(0, len(files) + 1 - self._keep)]:
            file.unlink(missing_ok=True)
