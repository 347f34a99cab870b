"""The events of past runs on disk, one JSON line each, so that a page can show them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..records.files import append_whole, parsed
from ..records.kept_files import KeptFiles
from .events import Event, upgraded

KEPT_RUNS = 60


class RunLog:
    """A folder of runs that keeps the newest.

    Args:
        folder, part: as `KeptFiles` takes them.
        keep: runs; older ones are deleted when one begins.
    """

    def __init__(self, folder: Path, *, part: str = "", keep: int = KEPT_RUNS) -> None:
        self._files = KeptFiles(folder, ".jsonl", part=part, most=keep)

    def append(self, run_id: str, events: Sequence[Event]) -> None:
        """Adds events to a run, which begins with its first: all of them, or none.

        Raises: OSError: the disk is full or may not be written.
        """
        file = self._files.place(run_id)
        begins = not file.exists()
        if begins:
            file.parent.mkdir(parents=True, exist_ok=True)
        append_whole(file, "".join(json.dumps(event) + "\n" for event in events).encode())
        if begins:
            self._files.prune()

    def read(self, run_id: str) -> list[Event] | None:
        """The events of a run as this version writes them, None where there is none.

        A line cut off by a crash is left out.

        The id is only compared with the runs that are there and never becomes part of a path.
        """
        file = self._files.find(run_id)
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
