"""Damaged and hostile files, each loaded by what loads its kind, with every way out closed."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.control.checkpoint import EmotionFacts, load_adapter, read_facts, save_checkpoint
from emofeedback.errors import EmoFeedbackError
from emofeedback.images import load_picture
from emofeedback.reading.calibration import load_calibration
from emofeedback.reading.heads import Head, load_head, save_head
from emofeedback.reading.lexicon import read_lexicon
from emofeedback.reading.rated import read_ratings
from emofeedback.study.comfy_graph import load_graph

from ..comfy_client import WORKFLOWS
from .replies import VALUES

MOST_MB = 1000
"""A file that makes the process grow by more is a fault."""
WAYS_OUT = (
    (socket.socket, "connect"), (socket.socket, "connect_ex"), (socket, "getaddrinfo"),
    (socket, "gethostbyname"), (socket, "create_connection"), (os, "system"), (os, "popen"),
)  # fmt: skip
TOO_DEEP = b"[" * 20_000


@dataclass(frozen=True)
class Loaded:
    """A kind of file: how a whole one is written, and what reads it."""

    ending: str
    write: Callable[[Path], object]
    loaders: tuple[Callable[[Path], object], ...]


def _adapter(path: Path) -> None:
    facts = EmotionFacts(base_family="drawn", evaluation={"gap": 0.5})
    adapter = EmotionAdapter(context_width=8, pooled_width=8, hidden=8)
    save_checkpoint(path.parent, "small", adapter, facts)["emotion"].rename(path)


def _head(path: Path) -> None:
    shapes = {
        "mean": [4], "std": [4], "support": [3, 4], "weight": [2, 3], "bias": [2], "gamma": [2],
        "spread": [2], "probe": [4], "outlier_weight": [5], "outlier_limit": [1],
        "distance_limit": [1],
    }  # fmt: skip
    facts = {"encoders": [{"kind": "clip", "name": "a", "options": {}}], "scores": {}}
    save_head(
        Head(**{name: torch.rand(shape) for name, shape in shapes.items()}, facts=facts), path
    )


def _calibration(path: Path) -> None:
    numbers = {"scale": [0.9, 1.1], "offset": [0.1, 0.0], "unexplained": [0.3, 0.3]}
    path.write_text(json.dumps({"name": "mine", **numbers}))


def _lexicon(path: Path) -> None:
    path.write_text("Word,V.Mean.Sum,A.Mean.Sum\nsea,7.1,3.2\nfire,4.0,7.5\n")


def _ratings(path: Path) -> None:
    Image.new("RGB", (16, 16)).save(path.with_name("one.png"))
    path.write_text("file,valence,arousal\none.png,7,3\none.png,2,8\n")


def _graph(path: Path) -> None:
    path.write_bytes((WORKFLOWS / "feedback_loop.json").read_bytes())


def _picture(kind: str) -> Callable[[Path], object]:
    return lambda path: Image.effect_noise((32, 32), 60).convert("RGB").save(path, kind)


KINDS = {
    "emotion adapter": Loaded("safetensors", _adapter, (load_adapter, read_facts)),
    "head": Loaded("safetensors", _head, (load_head,)),
    "calibration": Loaded("json", _calibration, (load_calibration,)),
    "lexicon": Loaded("csv", _lexicon, (read_lexicon,)),
    "rated pictures": Loaded("csv", _ratings, (lambda path: read_ratings(path, scale="1..9"),)),
    "graph": Loaded("json", _graph, (load_graph,)),
    **{
        f"{kind} picture": Loaded(kind.lower(), _picture(kind), (load_picture,))
        for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
    },
}


class _Harm:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._mark,)


def hostile(whole: bytes, chance: Random, mark: Path) -> bytes:
    """A file's bytes after one change: of a byte, a part, its header, its values or its kind."""
    place = chance.randrange(len(whole) + 1)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as parts:  # as torch.save writes
        parts.writestr("archive/data.pkl", pickle.dumps(_Harm(mark)))
    strange = (b"", TOO_DEEP, b'{"a":' * 5000, b"null", b"\xff\xfe\x00", b"\0", archive.getvalue())
    lengths = (0, 2**40, 2**63, len(whole))
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: whole[:place],
        lambda: whole[:place] + bytes([chance.randrange(256)]) + whole[place + 1 :],
        lambda: whole[:place] + whole[chance.randrange(len(whole)) :],
        lambda: pickle.dumps(_Harm(mark)),
        lambda: struct.pack("<Q", chance.choice(lengths)) + whole[8:],
        lambda: chance.choice(strange),
        *[lambda: _other_values(whole, chance)] * 4,
    )
    return chance.choice(changes)()


def _other_values(whole: bytes, chance: Random) -> bytes:
    """Another value in the JSON that the file is or begins with, else another number or text."""
    length = int.from_bytes(whole[:8], "little")
    for start, end in ((8, 8 + length), (0, len(whole))):
        try:
            value = json.loads(whole[start:end])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value:
            _replace(value, chance)
            changed = json.dumps(value).encode(errors="surrogatepass")
            head = struct.pack("<Q", len(changed)) if start else b""
            return head + changed + whole[end:]
    words = whole.split(b",")
    told = str(chance.choice((*VALUES, "=1+1", "../../etc/passwd", "7,1", "٣", "1e999")))
    words[chance.randrange(len(words))] = told.encode(errors="replace")
    return b",".join(words)


def _replace(value: Any, chance: Random) -> None:
    """Another value somewhere; text that is JSON itself is entered, too."""
    key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
    inner = value[key]
    if isinstance(inner, (dict, list)) and inner and chance.random() < 0.7:
        _replace(inner, chance)
        return
    if isinstance(inner, str) and chance.random() < 0.7:
        with suppress(ValueError, TypeError, IndexError):  # no JSON, or nothing in it
            within = json.loads(inner)
            _replace(within, chance)
            value[key] = json.dumps(within)
            return
    value[key] = chance.choice(
        (*VALUES, 16_000, 2**40, -(2**40), [2**20, 2**20], "F64", "[" * 5000)
    )


@contextmanager
def _closed() -> Iterator[list[str]]:
    """Every way out is closed; what was tried stands in the list."""
    tried: list[str] = []

    def refuse(*given: Any, **_: Any) -> None:
        tried.append(repr(given[-1])[:80])
        raise OSError("every way out is closed")

    with ExitStack() as stack:
        for owner, name in WAYS_OUT:
            stack.enter_context(patch.object(owner, name, refuse))
        yield tried


def files_wrong(count: int, chance: Random) -> tuple[int, Counter[str]]:
    """Hostile files of every kind: raw exceptions, calls, marks left, memory taken."""
    import resource

    faults = Counter[str]()
    with tempfile.TemporaryDirectory() as made, _closed() as tried:
        folder, mark = Path(made), Path(made) / "mark"
        whole: dict[str, bytes] = {}
        for name, kind in KINDS.items():
            path = folder / f"whole.{kind.ending}"
            kind.write(path)
            for load in kind.loaders:
                load(path)
            whole[name] = path.read_bytes()
        for number in range(count):
            name = list(KINDS)[number % len(KINDS)]
            path = folder / f"hostile.{KINDS[name].ending}"
            path.write_bytes(hostile(whole[name], chance, mark))
            for load in KINDS[name].loaders:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                try:
                    with warnings.catch_warnings(action="ignore"):
                        load(path)
                except EmoFeedbackError:
                    pass
                except Exception as error:  # noqa: BLE001  what is looked for
                    faults[f"{name}: raw {type(error).__name__}: {str(error)[:80]}"] += 1
                grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
                if grown > MOST_MB * 1024:
                    faults[f"{name}: {grown // 1024} MB taken"] += 1
            faults.update(f"{name}: called {told}" for told in tried)
            if mark.exists():
                faults[f"{name}: code was run"] += 1
                mark.unlink()
            tried.clear()
    return count, faults
