"""A loop's state as one file: JSON of its values beside its pictures, in a zip archive.

Nothing in it is code. Values come back as the dataclasses that they were, checked by those and
against each other; what a newer version has written is refused.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import LoopError
from .files import parsed, replacing
from .prompt import checked_prompt
from .reading import Outcome, Reading
from .state import LoopState, RoundRecord, SkippedRound

MOST_BYTES = 2 << 30  # of a file that is opened
MOST_VALUES = 64 << 20  # bytes of its JSON; 100 rounds of 64 candidates take some 15 MB
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

    Raises: LoopError: the file is gone, damaged, too large, or written by a version that knows
        more.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"it has {size:,} bytes; {MOST_BYTES:,} are the most")
        with zipfile.ZipFile(path) as archive:
            content = _Content(archive, size)
            state = _made(LoopState, parsed(content.read(_VALUES, MOST_VALUES)), content)
        assert isinstance(state, LoopState)
        _check(state)
    except Exception as error:  # noqa: BLE001  an archive that others wrote fails in many ways
        why = str(error)[:200] or type(error).__name__
        raise LoopError(
            f"The kept loop {path.stem} cannot be read ({why}). Empty the input resume to start a "
            "new loop."
        ) from None
    return state


class _Content:
    """The entries of an archive, of which no byte is taken twice: small files stay small."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive, self._left = archive, size
        self._read: dict[str, bytes] = {}

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """Raises: ValueError: it is packed or too large. KeyError: there is none."""
        if name not in self._read:
            entry = self._archive.getinfo(name)
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{name} is compressed, as no loop is kept")
            self._left -= entry.file_size
            if entry.file_size > most or self._left < 0:
                raise ValueError(f"{name} claims {entry.file_size:,} bytes")
            self._read[name] = self._archive.read(entry)
        return self._read[name]


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


def _made(kind: Any, value: Any, content: _Content) -> Any:
    """The value as its type says. Raises: TypeError, ValueError, KeyError: it is another."""
    if get_origin(kind) is UnionType:
        return _made(_option(get_args(kind), value), value, content)
    if get_origin(kind) is tuple:
        each_of = _of(list, value)
        first, *rest = get_args(kind)
        kinds = [first] * len(each_of) if rest == [...] else [first, *rest]
        return tuple(_made(k, each, content) for k, each in zip(kinds, each_of, strict=True))
    if is_dataclass(kind):
        hints = {name: hint for name, hint in get_type_hints(kind).items() if name not in _PASSING}
        named = _of(dict, value)
        return kind(**{name: _made(hints[name], each, content) for name, each in named.items()})  # type: ignore[operator]
    if kind is bytes:
        return content.read(_of(str, _of(dict, value)[_PICTURE]))
    if kind is float and type(value) is int:
        return float(value)
    return _of(kind, value)


def _of(kind: Any, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} stands where {kind.__name__} belongs")
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
    raise TypeError(f"{type(value).__name__} stands where one of several others belongs")


def _check(state: LoopState) -> None:
    """Raises: ValueError, IndexError: what the state says of its rounds is not so."""
    checked_prompt(state.prompt)
    numbers = [record.number for record in state.rounds]
    others = [record.number for record in state.skipped]
    in_order = numbers == sorted(numbers) and others == sorted(others)
    if not in_order or sorted(numbers + others) != list(range(1, state.coming_round)):
        raise ValueError(f"its rounds are numbered {numbers} and {others}")
    for record in state.made:
        _check_made(record)
    by_number = dict(zip(numbers, state.rounds, strict=True))
    for record in state.rounds:
        _check_read(record.readings, record.best)
        if record.refined_from is not None:
            chosen = record.refined_from
            _check_read(by_number[chosen.round].readings, chosen.candidate - 1)
    if (state.best is None) != (not state.rounds):
        raise ValueError("its best picture is not known")
    if state.best is not None:
        if not 0 <= state.best.round_index < len(state.rounds):
            raise ValueError(f"its best picture is of round {state.best.round_index + 1}")
        _check_read(state.best_round.readings, state.best.candidate)


def _check_made(record: RoundRecord | SkippedRound) -> None:
    count = len(record.outcomes)
    counts = len(record.images), len(record.prompts), len(record.latents) or count
    if counts != (count,) * 3:
        raise ValueError(f"round {record.number} has {count} readings and other counts of pictures")


def _check_read(readings: tuple[Outcome, ...], candidate: int) -> None:
    if not 0 <= candidate < len(readings) or not isinstance(readings[candidate], Reading):
        raise ValueError(f"no reading is there of a picture {candidate + 1}")
