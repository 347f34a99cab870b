"""Embeddings of prompts in files, one a prompt: a run that goes on encodes none again."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from emofeedback.records.files import replacing

from .base import Words

log = logging.getLogger(__name__)
FOLDER = "prompts"
FILES_BYTES = 8 * 2**30
"""Files take this much of the disk; later prompts are kept in memory only."""


class KeptWords:
    """Embeddings of prompts by one encoder, read back bit for bit.

    Args:
        folder: of the files; others may lie beside them, of other encoders or processes.
        encoder: its fingerprint.
    """

    def __init__(self, folder: Path, encoder: str) -> None:
        self.folder, self.encoder = folder, encoder
        self._room = FILES_BYTES - sum(file.stat().st_size for file in folder.glob("*.safetensors"))

    def read(self, prompt: str) -> Words | None:
        """On the CPU; None where no file has it. A damaged file is told in the log."""
        path = self._path(prompt)
        if not path.is_file():
            return None
        try:
            found = load_file(path)
            return tuple(found[str(place)] for place in range(len(found)))
        except (OSError, SafetensorError, KeyError) as error:
            log.warning("%s is damaged (%s); its prompt is encoded anew.", path, error)
            return None

    def has(self, prompt: str) -> bool:
        """Whether there is a file of it, whole or not."""
        return self._path(prompt).is_file()

    def write(self, prompt: str, words: Words) -> None:
        """Keep them where there is room; a disk that takes none is told in the log."""
        path, size = self._path(prompt), sum(each.nbytes for each in words)
        if size > self._room:
            return
        try:
            with replacing(path) as partial:
                save_file({str(i): each.contiguous() for i, each in enumerate(words)}, partial)
            self._room -= size
        except (OSError, SafetensorError) as error:
            log.warning("An encoded prompt could not be kept in %s (%s).", path, error)
            self._room = 0

    def _path(self, prompt: str) -> Path:
        name = hashlib.sha256(f"{self.encoder}\n{prompt}".encode()).hexdigest()
        return self.folder / f"{name}.safetensors"
