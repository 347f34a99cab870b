"""What a refiner answers: the changes, and the next prompt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace


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

    def suggesting_nothing_of(self, seen: Collection[str]) -> Refinement:
        """Without suggestions to bring in a cue that the picture shows already; the prompt stays.

        Args:
            seen: names of the cues that its reading told.
        """
        known = {name.casefold() for name in seen}
        left = tuple(each for each in self.suggestions if each.cue.casefold() not in known)
        return replace(self, suggestions=left)
