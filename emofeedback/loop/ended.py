"""Loops that have ended, with their pictures, in a folder: what one can go on from later."""

from __future__ import annotations

import logging
from pathlib import Path

from ..errors import LoopError
from ..records.archive import load_state, save_state
from ..records.drawn import Drawn
from ..records.kept_files import KeptFiles
from ..records.state import LoopState

KEPT_BYTES = 1 << 30  # of all files together: some 600 pictures of 1024 px

log = logging.getLogger(__name__)


class EndedLoops:
    """A folder that keeps the loops that ended last.

    Args:
        folder, part: as `KeptFiles` takes them.
        most: bytes of all loops together; a loop that is larger alone is not kept.
    """

    def __init__(self, folder: Path, *, part: str = "", most: int = KEPT_BYTES) -> None:
        self._files, self._most = KeptFiles(folder, ".loop", part=part, most_bytes=most), most

    def keep(self, run_id: str, state: LoopState) -> None:
        """Keeps a loop in the place of older ones; where that fails, a warning says so."""
        size = sum(Drawn(record.images, record.latents).size for record in state.made)
        if size > self._most:
            log.warning(
                "The loop's pictures are %d MB; up to %d MB are kept to go on from.",
                size >> 20,
                self._most >> 20,
            )
            return
        try:
            save_state(self._files.place(run_id), state)
            self._files.prune()
        except OSError as error:
            log.warning("A loop cannot be kept to go on from later: %s", error)

    def load(self, run_id: str) -> LoopState:
        """A loop by its run's id, which never becomes part of a path.

        Raises: LoopError: it is not kept any more, or its file is damaged.
        """
        file = self._files.find(run_id)
        if file is None:
            raise LoopError(
                f"The loop {run_id} is not kept any more, so there is nothing to go on from. "
                "Empty the input resume to start a new loop."
            )
        return load_state(file)
