"""Embeddings of prompts in files, one a prompt: a run that goes on encodes none again."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

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


def fingerprint(encoders: Iterable[Any], tokenizers: Iterable[Any], *facts: str) -> str:
    """Of what encodes prompts: any changed weight, setting, word or library changes it.

    Args:
        encoders: of transformers. tokenizers: theirs, or processors that hold them.
        facts: what else decides.
    """
    import diffusers
    import transformers
    from transformers import PreTrainedTokenizerBase

    digest = hashlib.sha256()
    versions = (torch.__version__, transformers.__version__, diffusers.__version__)
    digest.update(json.dumps([*versions, *facts]).encode())
    for each in tokenizers:
        # FLUX.2 names a processor so, which holds one
        tokenizer = each if isinstance(each, PreTrainedTokenizerBase) else each.tokenizer
        told = [tokenizer.model_max_length, sorted(tokenizer.get_vocab().items())]
        digest.update(json.dumps(told).encode())
    for encoder in encoders:
        digest.update(encoder.config.to_json_string().encode())
        for name, value in encoder.state_dict().items():
            digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
            digest.update(_summary(value))
    return digest.hexdigest()


def _summary(value: Tensor) -> bytes:
    """Two sums over the bits of a tensor, one by place: as fast as memory is read."""
    bits = value.detach().cpu().contiguous().flatten().view(torch.uint8)
    whole = bits[: len(bits) // 4 * 4].view(torch.int32)
    sums = [int(each.sum(dtype=torch.int64)) for each in (bits, whole, whole[::7], whole[3::11])]
    return json.dumps(sums).encode()
