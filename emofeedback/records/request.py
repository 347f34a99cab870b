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
        aim: the emotion that was handed to what made the pictures; None where it is not steered.
        prompts: what each candidate was generated from; empty: all from `prompt`.
    """

    artist_prompt: str
    prompt: str
    images: Tensor
    readings: tuple[Reading, ...]
    target: Emotion
    best: int
    history: tuple[RoundRecord, ...] = ()
    edits: bool = False
    aim: Emotion | None = None
    prompts: tuple[str, ...] = ()

    @property
    def blind(self) -> bool:
        """Whether there is no picture yet."""
        return self.readings[self.best].model == NO_PICTURE


def blind_request(
    prompt: str,
    target: Emotion,
    *,
    size: int = 256,
    aim: Emotion | None = None,
    assumed: Emotion | None = None,
) -> RefineRequest:
    """What a refiner is told before there is a picture.

    Args:
        size: side of the even grey picture that stands for none, in pixels.
        aim: what the body will be handed beside the words.
        assumed: what the missing picture would be read as; default: neutral.
    """
    felt = Reading(emotion=assumed or Emotion(0.0, 0.0), model=NO_PICTURE)
    return RefineRequest(
        artist_prompt=prompt,
        prompt=prompt,
        images=torch.full((1, size, size, 3), 0.5),
        readings=(felt,),
        target=target,
        best=0,
        aim=aim,
    )
