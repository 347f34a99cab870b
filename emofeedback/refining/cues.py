"""The cue table: what moves valence and arousal in a picture, by how much, and how to say it.

One table (`data/cues.json`) is the truth of the drawn world and the phrase bank of the rule
refiner. A picture carries one level of each family; their effects add up.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FELT = 0.25
"""An effect below this, in scale points, is not worth a word."""
_TABLE = Path(__file__).parent / "cues.json"


@dataclass(frozen=True)
class CueLevel:
    """One level of a cue family.

    Attributes:
        family: One of `FAMILIES`.
        name: Unique within its family.
        valence: Effect on valence, in units of the [-3, 3] scale.
        arousal: Effect on arousal, in the same units.
        phrases: Clause fragments for a prompt ("under a dark storm sky"); none when neutral.
        label: Short noun phrase ("dark storm sky").
        source: Where the effect comes from.
        veil: 0..1, how much more often than others it hides what the picture shows.
    """

    family: str
    name: str
    valence: float
    arousal: float
    phrases: tuple[str, ...]
    label: str
    source: str = ""
    veil: float = 0.0

    @property
    def neutral(self) -> bool:
        """Whether the level leaves valence and arousal where they are."""
        return self.valence == 0 and self.arousal == 0


def _load_families(path: Path) -> dict[str, tuple[CueLevel, ...]]:
    table = json.loads(path.read_text(encoding="utf-8"))["families"]
    return {
        family: tuple(
            CueLevel(family=family, **{**level, "phrases": tuple(level["phrases"])})
            for level in levels
        )
        for family, levels in table.items()
    }


FAMILIES: dict[str, tuple[CueLevel, ...]] = _load_families(_TABLE)
"""Levels by family; the first level of each family is the neutral one."""


def find_cue(family: str, name: str) -> CueLevel:
    """The level of that name.

    Raises: ValueError: the family or the level is unknown.
    """
    for level in FAMILIES.get(family, ()):
        if level.name == name:
            return level
    known = ", ".join(level.name for level in FAMILIES.get(family, ())) or ", ".join(FAMILIES)
    raise ValueError(f"There is no cue {name!r} in family {family!r}. Known: {known}.")


def direction(valence: float, arousal: float, *, least: float = FELT) -> str:
    """An effect in words: "lowers valence, raises arousal"; empty if it is hardly felt."""
    parts = [
        f"{'raises' if value > 0 else 'lowers'} {axis}"
        for axis, value in (("valence", valence), ("arousal", arousal))
        if abs(value) >= least
    ]
    return ", ".join(parts)


def total_effect(names: Sequence[str]) -> tuple[float, float]:
    """Valence and arousal of one level per family, in the order of `FAMILIES`.

    Returns: The summed effects, each clipped to [-3, 3].
    Raises: ValueError: not one known level per family.
    """
    if len(names) != len(FAMILIES):
        raise ValueError(
            f"{len(names)} cues given; one is needed for each of {', '.join(FAMILIES)}."
        )
    levels = [find_cue(family, name) for family, name in zip(FAMILIES, names, strict=True)]
    valence = sum(level.valence for level in levels)
    arousal = sum(level.arousal for level in levels)
    return _clip(valence), _clip(arousal)


def _clip(value: float) -> float:
    return round(max(-3.0, min(3.0, value)), 6)


def longest_phrase(text: str, family: tuple[CueLevel, ...]) -> tuple[str, CueLevel] | None:
    """The longest phrase of a family's levels in a text of single-spaced words, and its level."""
    named = [
        (phrase, level)
        for level in family
        for phrase in level.phrases
        if f" {phrase} " in f" {text} "
    ]
    return max(named, key=lambda pair: len(pair[0]), default=None)


def named_cues(prompt: str) -> tuple[CueLevel, ...]:
    """One level a family: the one whose phrase the prompt contains, else the neutral one."""
    text = " ".join(prompt.lower().split()).replace(",", " ").replace("  ", " ")
    found = [(longest_phrase(text, family), family) for family in FAMILIES.values()]
    return tuple(named[1] if named else family[0] for named, family in found)
