"""A scorer out of picture encoders and a head: reads, never explains and never rewrites."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError
from ..images import check_images
from ..plane.words import nearest_words
from ..records.emotion import clipped_emotion
from ..records.reading import Reading
from .base import Scorer
from .encoders import Encoder, encode
from .heads import Head, load_head
from .preprocessing import probe

ALIKE = 0.999
"""Cosine of two copies of an encoder on the same picture, 16-bit weights allowed."""
FOREIGN_WARNING = (
    "This picture is unlike those that the head was fitted on: do not rely on this reading."
)
IN_SAMPLE_WARNING = (
    "The head was fitted on this very picture: the reading is nearer to its rating than others are."
)


class HeadScorer(Scorer):
    """Reads emotions from the features of picture encoders.

    Args:
        encoders: in the head's order.
        head: fitted on their features.
        name: shown in readings.
    Raises: ConfigError: the head was fitted on other encoders.
    """

    def __init__(self, encoders: Sequence[Encoder], head: Head, name: str) -> None:
        check_fits(encoders, head)
        self.encoders, self.head, self.name = tuple(encoders), head, name

    def emotions(self, images: Tensor) -> Tensor:
        """Valence and arousal [B, 2] of pictures [B, H, W, 3], differentiable by torch encoders."""
        features = torch.cat(encode(self.encoders, images), 1)
        return self.head.to(features.device).emotions(features)

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture in one pass; content stays unknown. Raises: ImageError."""
        started = time.perf_counter()
        with torch.inference_mode():
            features = torch.cat(encode(self.encoders, check_images(images)), 1).cpu()
            emotions = self.head.emotions(features).tolist()
            signs = (self.head.foreign(features), self.head.in_sample(features))
            told = (FOREIGN_WARNING, IN_SAMPLE_WARNING)
        seconds = (time.perf_counter() - started) / len(emotions)
        warnings = [
            tuple(text for text, sign in zip(told, signs, strict=True) if sign[number])
            for number in range(len(emotions))
        ]
        return [self._reading(*pair, seconds) for pair in zip(emotions, warnings, strict=True)]

    def _reading(self, values: list[float], warnings: tuple[str, ...], seconds: float) -> Reading:
        emotion, clipped = clipped_emotion(*values)
        return Reading(
            emotion=emotion,
            uncertainty=(float(self.head.spread[0]), float(self.head.spread[1])),
            words=nearest_words(emotion, 2),
            model=self.name,
            clipped=clipped,
            warnings=warnings,
            seconds=seconds,
        )


def check_fits(encoders: Sequence[Encoder], head: Head) -> None:
    """Whether these are the encoders that the head was fitted on: by hash, else by a fixed picture.

    Raises: ConfigError: they are not; names both.
    """
    wanted = head.facts["encoders"]
    if [encoder.as_dict() for encoder in encoders] == wanted:
        return
    if len(encoders) == len(wanted):
        with torch.inference_mode():
            seen = torch.cat(encode(encoders, probe()), 1)[0].cpu()
        same = seen.shape == head.probe.shape
        if same and float(torch.cosine_similarity(seen, head.probe, dim=0)) > ALIKE:
            return
    told = ", ".join(encoder.name for encoder in encoders) or "none"
    raise ConfigError(
        f"The head was fitted on {_named(head)}, but the encoder is {told}. Give the same encoders "
        "in the same order, or fit a head on these: python -m emofeedback fit."
    )


def open_head(
    path: Path, specs: Sequence[str], open_encoder: Callable[[str], Encoder]
) -> HeadScorer:
    """The scorer of a head's file.

    Args:
        specs: of the encoders; none where they are embedded, or lie beside the head.
    Raises: CheckpointError, ConfigError, MissingDependencyError.
    """
    head = load_head(path)
    opened = [open_encoder(spec) for spec in specs or specs_beside(head, path.parent)]
    return HeadScorer(opened, head, path.stem)


def specs_beside(head: Head, *folders: Path) -> list[str]:
    """The head's encoders as they would be named. Raises: ConfigError: one is not there."""
    return [spec_beside(told, folders) for told in head.facts["encoders"]]


def spec_beside(told: Mapping[str, Any], folders: Sequence[Path]) -> str:
    """One of a head's encoders as it would be named, looked for in folders by its plain name.

    Raises: ConfigError: it is not there.
    """
    kind, name = str(told["kind"]), Path(str(told["name"])).name
    if kind == "embedded":
        return kind
    for folder in folders:
        if (folder / name).exists():
            return spec_line(kind, folder / name, told["options"])
    places = ", ".join(str(folder) for folder in folders)
    raise ConfigError(
        f"The head reads with the {kind} encoder {name!r}, which is not in {places}. Put it there, "
        "or name it: --encoder on the command line; encoder, or a CLIP_VISION, at the node."
    )


def spec_line(kind: str, path: Path, options: Mapping[str, str]) -> str:
    """How an encoder is named in one line."""
    query = "&".join(f"{key}={value}" for key, value in options.items())
    return f"{kind}:{path}" + (f"?{query}" if query else "")


def _named(head: Head) -> str:
    return " + ".join(str(told["name"]) for told in head.facts["encoders"])
