"""The events of past runs on disk, one JSON line each, so that a page can show them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .events import Event, upgraded

KEPT_RUNS = 60


class RunLog:
    """A folder of runs that keeps the newest.

    Args:
        folder: made when the first run is written.
        keep: older runs beyond this many are deleted.
    """

    def __init__(self, folder: Path, *, keep: int = KEPT_RUNS) -> None:
        self._folder = folder
        self._keep = keep

    def append(self, run_id: str, events: Sequence[Event]) -> None:
        """Adds events to a run, which begins with its first.

        Raises: OSError: the disk is full or may not be written.
        """
        file = self._folder / f"{run_id}.jsonl"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._prune()
        with file.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(event) + "\n" for event in events)

    def read(self, run_id: str) -> list[Event] | None:
        """The events of a run as this version writes them, None where there is none.

        A line cut off by a crash is left out.

        The id is only compared with the runs that are there and never becomes part of a path.
        """
        file = {known.stem: known for known in self._files()}.get(run_id)
        if file is None:
            return None
        events = []
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return upgraded(events)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)

    def _prune(self) -> None:
        files = self._files()
        for file in files[: max(0, len(files) + 1 - self._keep)]:
            file.unlink(missing_ok=True)
