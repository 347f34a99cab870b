"""What the control benchmark keeps: pictures by what painted them, measurements by who judged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from emofeedback.control.anchors import rule_clause
from emofeedback.control.mixing import ANCHORS
from emofeedback.embedded.weights import FOLDER
from emofeedback.images import open_picture
from emofeedback.records.files import replacing
from emofeedback.refining.rules import affect_phrase
from training.world.judge import WEIGHTS

Key = tuple[Any, ...]
PAINTERS = ("drawn_generator", "drawn_emotion", "drawn_autoencoder", "drawn_clip")


@dataclass(frozen=True)
class Work:
    """One thing to measure: its key in the results, and how."""

    key: Key
    measure: Callable[[], dict[str, Any]]


def painters_digest(steps: int) -> str:
    """Of all that pictures depend on: weights, steps, and the words of rules and anchors."""
    found = hashlib.sha256(f"{steps} steps".encode())
    for count, rim in ANCHORS.items():
        for index, emotion in enumerate(rim):
            found.update((rule_clause("it", index, count) + affect_phrase(emotion)).encode())
    for path in sorted(path for name in PAINTERS for path in FOLDER.glob(f"{name}*")):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            found.update(file.read_bytes() if file.is_file() else b"")
    return found.hexdigest()[:12]


def judges_digest(painters: str) -> str:
    """Of the painters and the judge."""
    return hashlib.sha256(painters.encode() + WEIGHTS.read_bytes()).hexdigest()[:12]


class Album:
    """Strips of pictures as PNG files, so that another judge can look at the same ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: Key, paint: Callable[[], Tensor]) -> Tensor:
        """Square pictures [N, S, S, 3] in 0..1 of that key, painted if there are none yet."""
        path = self.folder / ("_".join(map(str, key)).replace(" ", "-") + ".png")
        if not path.exists():
            strip = (paint() * 255).round().to(torch.uint8).flatten(0, 1).numpy()
            with replacing(path) as half_done:
                Image.fromarray(strip).save(half_done, format="png", compress_level=1)
        strip = np.asarray(open_picture(path))
        width = strip.shape[1]
        return torch.from_numpy(strip.reshape(-1, width, width, 3).copy()).float() / 255


class Results:
    """Measurements by key, appended to a file as they are made."""

    def __init__(self, path: Path, weights: str) -> None:
        self.path, self.weights = path, weights
        self.found: dict[Key, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            record = json.loads(line)
            if record["weights"] == weights:
                self.found[tuple(record["key"])] = record["value"]

    def complete(self, works: Iterator[Work]) -> Iterator[Key]:
        """Measures what is missing; each key when it is done."""
        for work in works:
            if work.key in self.found:
                continue
            self.found[work.key] = value = work.measure()
            record = {"weights": self.weights, "key": work.key, "value": value}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            yield work.key
