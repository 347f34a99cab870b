"""What every scorer offers, whatever reads the pictures."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from ..records.reading import Reading


@runtime_checkable
class Scorer(Protocol):
    """Reads the viewer's emotion from pictures."""

    name: str

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture, quick: valence, arousal, uncertainty, content.

        Args:
            images: [B, H, W, 3] float in 0..1.
            prompt: the artist's prompt; with it, readings carry `content`.
        Raises: ImageError, ScorerError.
        """
        ...

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As `score`, with cues, words and rationale; slower."""
        ...
