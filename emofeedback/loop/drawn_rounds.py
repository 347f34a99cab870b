"""Pictures of rounds that this process has drawn, in files: kept in memory, they fill a server.

They are asked for by keys that name everything that pictures depend on, and only while the process
lives: after it, a node of the same name may draw something else.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections.abc import Hashable
from pathlib import Path

from ..errors import LoopError
from ..records.drawn import Drawn
from ..records.files import replacing
from ..records.kept_files import KeptFiles

KEPT_BYTES = 1 << 29  # PNG and latents, of all rounds together: some 300 pictures of 1024 px
KEPT_ROUNDS = 1000
_PROCESS = uuid.uuid4().hex

log = logging.getLogger(__name__)


class DrawnRounds:
    """A folder that keeps the rounds that were used last.

    Args:
        folder, part: as `KeptFiles` takes them.
        most_bytes: of all rounds together; one that is larger alone is not kept.
    """

    def __init__(self, folder: Path, *, part: str = "", most_bytes: int = KEPT_BYTES) -> None:
        self._files = KeptFiles(
            folder, ".drawn", part=part, most=KEPT_ROUNDS, most_bytes=most_bytes
        )
        self._most_bytes = most_bytes

    def get(self, key: Hashable) -> Drawn | None:
        """The pictures, to the bit; None where they are unknown, dropped or damaged."""
        file = self._place(key)
        try:
            drawn = Drawn.unpacked(file.read_bytes())
            os.utime(file)  # the last to make room
        except FileNotFoundError:
            return None
        except (OSError, LoopError) as error:
            log.warning("Pictures of an earlier round are drawn again: %s", error)
            return None
        return drawn

    def keep(self, key: Hashable, drawn: Drawn) -> None:
        """Keeps a round in the place of older ones; where that fails, a warning says so."""
        if drawn.size > self._most_bytes:
            return
        try:
            with replacing(self._place(key)) as partial:
                partial.write_bytes(drawn.packed())
            self._files.prune()
        except OSError as error:
            log.warning("A round's pictures cannot be kept, and may be drawn again: %s", error)

    def _place(self, key: Hashable) -> Path:
        return self._files.place(hashlib.sha256(repr((_PROCESS, key)).encode()).hexdigest())
