"""A loop's state as one file: JSON of its values beside its pictures, in a zip archive.

Nothing in it is code. Values come back as the dataclasses that they were, checked by those; what a
newer version has written is refused.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import LoopError
from .files import replacing
from .state import LoopState

_VALUES = "state.json"
_PASSING = ("at_hand", "known")  # of the run alone
_PICTURE = "bytes"


def save_state(path: Path, state: LoopState) -> None:
    """Writes a state in one step. Raises: OSError: the disk is full or may not be written."""
    pictures: dict[str, bytes] = {}
    values = _plain(state, pictures)
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as archive:  # PNG is packed
        archive.writestr(_VALUES, json.dumps(values))
        for name, data in pictures.items():
            archive.writestr(name, data)


def load_state(path: Path) -> LoopState:
    """The state in a file.

    Raises: LoopError: the file is gone, damaged, or written by a version that knows more.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            state = _made(LoopState, json.loads(archive.read(_VALUES)), archive)
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise LoopError(f"The kept loop {path.stem} cannot be read ({error}).") from None
    assert isinstance(state, LoopState)
    return state


def _plain(value: Any, pictures: dict[str, bytes]) -> Any:
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.name not in _PASSING]
        return {name: _plain(getattr(value, name), pictures) for name in names}
    if isinstance(value, bytes):
        name = hashlib.sha256(value).hexdigest()
        pictures[name] = value
        return {_PICTURE: name}
    if isinstance(value, tuple):
        return [_plain(each, pictures) for each in value]
    return value


def _made(kind: Any, value: Any, archive: zipfile.ZipFile) -> Any:
    """The value as its type says. Raises: TypeError, ValueError, KeyError: it is another."""
    if get_origin(kind) is UnionType:
        return _made(_option(get_args(kind), value), value, archive)
    if get_origin(kind) is tuple:
        first, *rest = get_args(kind)
        kinds = [first] * len(value) if rest == [...] else [first, *rest]
        return tuple(_made(k, each, archive) for k, each in zip(kinds, value, strict=True))
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _made(hints[name], each, archive) for name, each in value.items()})  # type: ignore[operator]
    if kind is bytes:
        return archive.read(value[_PICTURE])
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value


def _option(kinds: tuple[Any, ...], value: Any) -> Any:
    """Which of several types a value was written from."""
    for kind in kinds:
        if kind is NoneType or not is_dataclass(kind):
            if isinstance(value, kind):
                return kind
        elif isinstance(value, dict):
            names = {field.name for field in fields(kind)}
            needed = {f.name for f in fields(kind) if f.default is f.default_factory is MISSING}
            if needed <= set(value) <= names:
                return kind
    raise TypeError(f"{str(value)[:80]!r} is none of {kinds}")
