"""Text encoders of a diffusers folder: in memory only while prompts are encoded.

They have gigabytes (SD3.5's T5 nine in bfloat16), and a run asks them for its prompts once.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from emofeedback.errors import CheckpointError

from ..runs.memory import ENCODER, Spread, weight_files

log = logging.getLogger(__name__)
TEXTS = (".json", ".txt", ".model", ".jinja")
"""Files beside the weights that decide what a prompt becomes."""
READ_BYTES = 2**24


class TextEncoders:
    """Read when a prompt asks for them, and let go.

    Args:
        kind: class of the pipeline.
        folder: of diffusers, that the pipeline came from.
        parts: all that the folder names.
        absent: those of them that it was saved without.
        dtype: of their weights.
    """

    def __init__(
        self, kind: Any, folder: Path, parts: Mapping[str, Path], absent: Iterable[str], *,
        dtype: torch.dtype,
    ) -> None:  # fmt: skip
        self._kind, self._folder, self._dtype = kind, folder, dtype
        there = {name: parts[name] for name in sorted({*parts} - {*absent})}
        self.parts = {name: there[name] for name in there if name.startswith(ENCODER)}
        """Their folders."""
        # tokenizers are small, and some pipelines look at theirs
        self._tokenizers = {name: there[name] for name in there if name.startswith("tokenizer")}
        self._unread = dict.fromkeys({*parts} - {*self.parts} - {*self._tokenizers})

    def take_up(self, pipeline: Any) -> None:
        """Put them into a pipeline that has none, on the CPU.

        Raises: CheckpointError: damaged, or of a library that is too old.
        """
        missing = [name for name in self.parts if getattr(pipeline, name) is None]
        if not missing:
            return
        log.info("text encoders are read from %s", self._folder)
        try:
            found = self._kind.from_pretrained(
                self._folder, local_files_only=True, use_safetensors=True, dtype=self._dtype,
                **self._unread,
            )  # fmt: skip
        except Exception as error:  # diffusers, transformers and safetensors each raise their own
            raise CheckpointError(
                f"The text encoders in {self._folder} cannot be loaded "
                f"({type(error).__name__}: {error})."
            ) from error
        for name in missing:
            setattr(pipeline, name, getattr(found, name).eval())

    def let_go(self, pipeline: Any) -> None:
        """Take them out of a pipeline, and out of memory."""
        for name in self.parts:
            setattr(pipeline, name, None)
        gc.collect()  # modules refer to each other

    def fingerprint(self, *facts: str) -> str:
        """Of what encodes prompts, read from the files: any changed weight, setting, word or
        library changes it.

        Args:
            facts: what else decides.
        """
        import diffusers
        import transformers
        from tqdm import tqdm

        versions = (torch.__version__, transformers.__version__, diffusers.__version__)
        digest = hashlib.sha256(json.dumps([*versions, str(self._dtype), *facts]).encode())
        files = [
            file
            for folder in (*self.parts.values(), *self._tokenizers.values())
            for file in sorted({*weight_files(folder), *_texts(folder)})
        ]
        with tqdm(
            desc="reading text encoders", total=sum(file.stat().st_size for file in files),
            unit="B", unit_scale=True, delay=2, disable=not Spread.launched().first,
        ) as bar:  # fmt: skip
            for file in files:
                name = file.relative_to(self._folder).as_posix()
                digest.update(f"\n{name} {file.stat().st_size}\n".encode())
                with file.open("rb") as opened:
                    while read := opened.read(READ_BYTES):
                        digest.update(read)
                        bar.update(len(read))
        return digest.hexdigest()


def _texts(folder: Path) -> list[Path]:
    return [file for file in folder.glob("*") if file.suffix in TEXTS]
