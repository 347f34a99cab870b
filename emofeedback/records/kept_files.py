"""Files that are kept for a while: the newest of a folder that several writers share."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from .files import PARTIAL

SETTLED_S = 24 * 3600.0
"""What nobody has written to for so long is no running writer's own any more."""


class KeptFiles:
    """A folder whose oldest files make room for new ones.

    Every writer has a part of it, so that two that run at once never delete what the other has
    just written. What has settled is anybody's, or parts of writers that come no more would pile
    up; so is what lies in the folder itself.

    Args:
        folder: made with the first file; what lies in folders below it is found, too.
        suffix: of the files, ".loop".
        part: name of the folder below it that this writer writes to; empty: `folder` itself.
        most: files that are kept of this part and of all that has settled.
        most_bytes: of these files together.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str,
        *,
        part: str = "",
        most: int = sys.maxsize,
        most_bytes: int = sys.maxsize,
    ) -> None:
        self._folder, self._part, self._suffix = folder, folder / part, suffix
        self._most, self._most_bytes = most, most_bytes

    def place(self, name: str) -> Path:
        """Where this writer writes a file; its folder may not be there yet."""
        return self._part / f"{name}{self._suffix}"

    def find(self, name: str) -> Path | None:
        """A file that any writer keeps; the name never becomes part of a path."""
        known = self._folder.rglob(f"*{self._suffix}")
        return next((file for file in known if file.stem == name), None)

    def prune(self) -> None:
        """Deletes what is too much, oldest first, and what writers left that were killed.

        What cannot be deleted stays until the next time.
        """
        settled = time.time() - SETTLED_S
        folders, ours = _facts(self._folder, "*/"), []  # deleting makes a folder look new
        for file, facts in _facts(self._folder, f"*{self._suffix}"):
            if file.parent == self._part or facts.st_mtime < settled:
                ours.append((facts.st_mtime_ns, facts.st_size, file))
        count, size = len(ours), sum(bytes_ for _, bytes_, _ in ours)
        for _, bytes_, file in sorted(ours):
            if count <= self._most and size <= self._most_bytes:
                break
            count, size = count - 1, size - bytes_
            _delete(file)
        for file, facts in _facts(self._folder, f".*{self._suffix}.*{PARTIAL}"):
            if facts.st_mtime < settled:
                _delete(file)
        for folder, facts in folders:
            if folder != self._part and facts.st_mtime < settled:
                with suppress(OSError):  # something is in it
                    folder.rmdir()


def _facts(folder: Path, pattern: str) -> list[tuple[Path, os.stat_result]]:
    found = []
    for path in folder.rglob(pattern):
        with suppress(OSError):  # another writer has deleted it
            found.append((path, path.stat()))
    return found


def _delete(file: Path) -> None:
    with suppress(OSError):  # another program reads it
        file.unlink()
