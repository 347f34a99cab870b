"""What a refiner is asked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .emotion import Emotion
from .reading import Reading
from .state import RoundRecord

NO_PICTURE = "none"
"""The model of a reading that nobody made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineRequest:
    """All that a refiner may look at.

    Args:
        artist_prompt: what the artist wrote.
        prompt: what this round generated from.
        images: [B, H, W, 3] float in 0..1, the round's candidates.
        readings: one a candidate.
        target: what the artist wants felt.
        best: index of the candidate to start from.
        history: earlier rounds, oldest first.
        edits: the words are an instruction by which a picture of the artist's is edited.
    """

    artist_prompt: str
    prompt: str
    images: Tensor
    readings: tuple[Reading, ...]
    target: Emotion
    best: int
    history: tuple[RoundRecord, ...] = ()
    edits: bool = False

    @property
    def blind(self) -> bool:
        """Whether there is no picture yet."""
        return self.readings[self.best].model == NO_PICTURE


def blind_request(prompt: str, target: Emotion, *, size: int = 256) -> RefineRequest:
    """What a refiner is told before there is a picture: assume a neutral one.

    Args:
        size: side of the even grey picture that stands for none, in pixels.
    """
    neutral = Reading(emotion=Emotion(0.0, 0.0), model=NO_PICTURE)
    return RefineRequest(
        artist_prompt=prompt,
        prompt=prompt,
        images=torch.full((1, size, size, 3), 0.5),
        readings=(neutral,),
        target=target,
        best=0,
    )
