"""What a refiner is asked and what it answers; how a clause joins the artist's prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..errors import ConfigError
from .emotion import Emotion
from .reading import Reading

if TYPE_CHECKING:
    from .state import RoundRecord


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One change to the picture.

    Args:
        text: what to change, in words for the artist: "swap the plain sky for a storm sky".
        cue: the cue it brings in.
        reason: why: "arousal is 1.4 too low".
    """

    text: str
    cue: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """The next prompt and why.

    Args:
        prompt: what to generate next; holds the artist's prompt literally unless a free rewrite
            was asked for.
        clause: the affect clause that was added.
        suggestions: the changes, most important first.
        refiner: who refined.
        seconds, tokens: cost.
        raw_text: the model's unparsed answer, empty for rules.
        warnings: what a person should know, for example that another refiner had to step in.
    """

    prompt: str
    clause: str = ""
    suggestions: tuple[Suggestion, ...] = ()
    refiner: str = ""
    seconds: float = 0.0
    tokens: int = 0
    raw_text: str = ""
    warnings: tuple[str, ...] = ()


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
    """

    artist_prompt: str
    prompt: str
    images: Tensor
    readings: tuple[Reading, ...]
    target: Emotion
    best: int
    history: tuple[RoundRecord, ...] = ()


def blind_request(prompt: str, target: Emotion, *, size: int = 256) -> RefineRequest:
    """What a refiner is told before there is a picture: assume a neutral one.

    Args:
        size: side of the even grey picture that stands for none, in pixels.
    """
    neutral = Reading(emotion=Emotion(0.0, 0.0), model="none")
    return RefineRequest(
        artist_prompt=prompt,
        prompt=prompt,
        images=torch.full((1, size, size, 3), 0.5),
        readings=(neutral,),
        target=target,
        best=0,
    )


@runtime_checkable
class Refiner(Protocol):
    """Turns readings into suggestions and the next prompt."""

    name: str

    def refine(self, request: RefineRequest) -> Refinement:
        """Raises: ScorerError: the model behind it failed."""
        ...


def checked_prompt(prompt: object) -> str:
    """The prompt without surrounding white space.

    Raises: ConfigError: it is empty or not text.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigError(
            f"The prompt is {prompt!r}, so there is nothing to picture. "
            'Write what the picture shows, for example "a boat on the sea".'
        )
    return prompt.strip()


def with_clause(artist_prompt: str, clause: str) -> str:
    """The artist's prompt, literally, followed by an affect clause."""
    artist_prompt, clause = artist_prompt.strip(), clause.strip(" ,.;")
    if not clause:
        return artist_prompt
    return f"{artist_prompt.rstrip(' ,.;')}, {clause}"
