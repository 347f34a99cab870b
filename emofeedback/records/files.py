"""Files that appear, or grow, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARTIAL = ".partial"
"""How the name of a file ends while it is written; a writer that is killed leaves it behind."""


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Where to write the file or the folder that takes the place of `path` at the end.

    A kill at any moment leaves what was there before; so does an error, which also takes away what
    was written so far.

    Args:
        durable: the disk is asked to keep the content before it counts.
    Raises: OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # of this process alone: two that write the same file must not mix
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        if durable:
            for file in sorted(partial.rglob("*")) if partial.is_dir() else [partial]:
                with file.open("rb") as written:
                    os.fsync(written.fileno())
        if path.is_dir() and partial.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    except BaseException:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
        raise


def check_writable(path: Path) -> None:
    """Tries to write where a file shall be, and leaves what is there.

    Raises: OSError: it cannot be written.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as tried:
        tried.write(b"0")
        tried.flush()


def parsed(text: str | bytes) -> Any:
    """The value of JSON that others wrote. Raises: ValueError: no JSON, or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def append_whole(path: Path, data: bytes) -> None:
    """Adds bytes to the end of a file: all of them, or none.

    Raises: OSError: the disk is full or may not be written.
    """
    with path.open("ab", buffering=0) as stream:
        begun = stream.tell()
        written = stream.write(data)
        if written < len(data):  # the disk took the last of what it could
            stream.truncate(begun)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def write_json(path: Path, content: Any, *, indent: int | None = 2) -> Path:
    """Writes a JSON file in one step. Raises: OSError."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")
    return path
