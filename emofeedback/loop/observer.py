"""Who watches a loop: is told what happens, and may want a round cut short."""

from __future__ import annotations

from typing import Literal

from ..records.state import Chosen, LoopState
from .choice import chosen_of

Wish = Literal["", "skip", "accept"]


class CutShort(Exception):
    """Raised by a `generate` that asked `cut_wanted` on its way and stopped."""


class Observer:
    """Watches nothing and wants nothing: a headless run's. Pages and nodes have their own."""

    def told(self, state: LoopState, doing: str = "") -> None:
        """Something is new in `state`, or `doing` (a phase) begins; may raise to end it."""

    def cut_wanted(self, state: LoopState, *, last: bool = False) -> Wish:
        """Whether the coming round shall be thrown away, or the best picture be taken now.

        A wish is only given where it can be met: no skip of a loop's only round, no acceptance
        without a picture.

        Args:
            last: nobody asks again before the round is read, so that a later skip is refused.
        """
        return ""

    def choice(self, state: LoopState) -> Chosen | None:
        """The candidate that the artist prefers by now, one that was read; None: by the gaps."""
        return chosen_of(state)


HEADLESS = Observer()
