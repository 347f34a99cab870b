"""What every scorer offers, whatever reads the pictures."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from ..errors import ScorerError
from ..records.reading import Reading
from ..refining.base import Refiner

Ability = Literal["explain", "read text", "refine"]
QUICK: AbstractSet[Ability] = frozenset()
"""Of a scorer that reads pictures, and no more."""


@runtime_checkable
class Scorer(Protocol):
    """Reads the viewer's emotion from pictures; scorers inherit what they cannot do."""

    name: str
    abilities: AbstractSet[Ability] = QUICK
    """What it can do besides reading pictures."""

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture, quick: valence, arousal, uncertainty, content.

        Args:
            images: [B, H, W, 3] float in 0..1.
            prompt: the artist's prompt; with it, readings carry `content`.
        Raises: ImageError, ScorerError.
        """
        ...

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As `score`, with cues, words and rationale where it can "explain"; slower."""
        return self.score(images, prompt=prompt)

    def read_text(self, prompt: str) -> Reading:
        """The emotion that a prompt itself carries.

        Raises: ScorerError: it cannot "read text".
        """
        del prompt
        raise ScorerError(
            f"The scorer {self.name!r} reads pictures only. Connect one with a language model."
        )

    def refiner(self) -> Refiner:
        """A refiner that asks the same model.

        Raises: ScorerError: it cannot "refine".
        """
        raise ScorerError(
            f"The scorer {self.name!r} cannot rewrite prompts. Leave the refiner input open to "
            "use the rules, or connect a scorer with a language model."
        )
