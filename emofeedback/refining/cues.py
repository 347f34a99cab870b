"""The cue table: what moves valence and arousal in a picture, by how much, and how to say it.

One table (`cues.json`) is the truth of the drawn world and the phrase bank of the rule refiner. A
picture carries one level of each family; their effects and those of its content add up. What a
prompt does not name is left to chance.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FELT = 0.25
"""An effect below this, in scale points, is not worth a word."""
_FILE = Path(__file__).parent / "cues.json"


@dataclass(frozen=True)
class CueLevel:
    """One level of a cue family.

    Attributes:
        family: One of `FAMILIES`.
        name: Unique within its family.
        valence: Effect on valence, in units of the [-3, 3] scale.
        arousal: Effect on arousal, in the same units.
        phrases: Clause fragments for a prompt ("under a dark storm sky"); none when left to chance.
        label: Short noun phrase ("dark storm sky").
        also: Everyday words that mean it ("stormy"): understood, but never written for an artist.
        source: Where the effect comes from.
        veil: 0..1, how much more often than others it hides what the picture shows.
    """

    family: str
    name: str
    valence: float
    arousal: float
    phrases: tuple[str, ...]
    label: str
    also: tuple[str, ...] = ()
    source: str = ""
    veil: float = 0.0

    @property
    def neutral(self) -> bool:
        """Whether the level leaves valence and arousal where they are."""
        return self.valence == 0 and self.arousal == 0


def _level(family: str, facts: dict[str, Any]) -> CueLevel:
    words = {name: tuple(facts.get(name, ())) for name in ("phrases", "also")}
    return CueLevel(family=family, **{**facts, **words})


_TABLE: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))

FAMILIES: dict[str, tuple[CueLevel, ...]] = {
    family: tuple(_level(family, facts) for facts in levels)
    for family, levels in _TABLE["families"].items()
}
"""Levels by family; the first level of each family is the neutral one."""

ODDS: float = _TABLE["odds"]
"""Of every level but the neutral one against it, in a family that a prompt does not name."""

PLACE_EFFECTS, SUBJECT_EFFECTS = (
    {facts["name"]: (facts["valence"], facts["arousal"]) for facts in _TABLE[kind]}
    for kind in ("places", "subjects")
)
"""Valence and arousal that the content itself has, in units of the [-3, 3] scale."""

SUBJECT_WORDS: dict[str, str] = {
    word: facts["name"] for facts in _TABLE["subjects"] for word in facts["words"]
}
"""The subject that a noun names, plurals included."""


@dataclass(frozen=True)
class Chance:
    """What a family does that nobody names: mean and variance of valence and of arousal."""

    level: CueLevel
    """Stands for it among the family's levels; its effect is the mean."""
    variance: tuple[float, float]


def chances(levels: Sequence[CueLevel]) -> tuple[float, ...]:
    """Probability of each level of a family that is left to chance."""
    odds = [1.0 if level.neutral else ODDS for level in levels]
    return tuple(each / sum(odds) for each in odds)


def _left_to_chance(family: str, levels: tuple[CueLevel, ...]) -> Chance:
    mean, variance = [], []
    for axis in ("valence", "arousal"):
        effects = [getattr(level, axis) for level in levels]
        middle = sum(p * effect for p, effect in zip(chances(levels), effects, strict=True))
        mean.append(middle)
        spread = (p * (effect - middle) ** 2 for p, effect in zip(chances(levels), effects))
        variance.append(sum(spread))
    label = "left to chance" if ODDS else levels[0].label
    unnamed = CueLevel(family, "", mean[0], mean[1], (), label)
    return Chance(unnamed, (variance[0], variance[1]))


UNNAMED: dict[str, Chance] = {
    family: _left_to_chance(family, levels) for family, levels in FAMILIES.items()
}
"""What each family does where a prompt does not name it."""

OPTIONS: dict[str, tuple[CueLevel, ...]] = {
    family: (UNNAMED[family].level, *levels) for family, levels in FAMILIES.items()
}
"""What a prompt can do with each family: leave it to chance, or name one of its levels."""

NOTHING_NAMED: tuple[CueLevel, ...] = tuple(options[0] for options in OPTIONS.values())
"""What a prompt says that names no cue."""


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


def total_effect(
    names: Sequence[str], content: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float]:
    """Valence and arousal of one level per family, in the order of `FAMILIES`.

    Args:
        content: effect of place and subject together.
    Returns: The summed effects, each clipped to [-3, 3].
    Raises: ValueError: not one known level per family.
    """
    if len(names) != len(FAMILIES):
        raise ValueError(
            f"{len(names)} cues given; one is needed for each of {', '.join(FAMILIES)}."
        )
    levels = [find_cue(family, name) for family, name in zip(FAMILIES, names, strict=True)]
    valence = content[0] + sum(level.valence for level in levels)
    arousal = content[1] + sum(level.arousal for level in levels)
    return _clip(valence), _clip(arousal)


def _clip(value: float) -> float:
    return round(max(-3.0, min(3.0, value)), 6)


def content_effect(place: str, subject: str) -> tuple[float, float]:
    """Valence and arousal of a place and a subject together; of unknown ones 0."""
    (v_place, a_place), (v_subject, a_subject) = (
        PLACE_EFFECTS.get(place, (0.0, 0.0)),
        SUBJECT_EFFECTS.get(subject, (0.0, 0.0)),
    )
    return v_place + v_subject, a_place + a_subject


def named_subjects(text: str) -> tuple[str, ...]:
    """Subjects of the drawn world that a text names outside the phrases of cues, each once."""
    plain = f" {' '.join(''.join(c if c.isalnum() else ' ' for c in text.lower()).split())} "
    for levels in FAMILIES.values():
        for level in levels:
            for phrase in level.phrases:
                plain = plain.replace(f" {phrase} ", "  ")
    found = (SUBJECT_WORDS[word] for word in plain.split() if word in SUBJECT_WORDS)
    return tuple(dict.fromkeys(found))


def longest_phrase(text: str, family: tuple[CueLevel, ...]) -> tuple[str, CueLevel] | None:
    """The longest phrase of a family's levels in a text of single-spaced words, and its level."""
    named = [
        (phrase, level)
        for level in family
        for phrase in (*level.phrases, *level.also)
        if f" {phrase} " in f" {text} "
    ]
    return max(named, key=lambda pair: len(pair[0]), default=None)


def named_cues(prompt: str) -> tuple[CueLevel, ...]:
    """One of `OPTIONS` for each family: the level whose phrase the prompt contains, or none."""
    text = " ".join(prompt.lower().split()).replace(",", " ").replace("  ", " ")
    found = [(longest_phrase(text, options[1:]), options) for options in OPTIONS.values()]
    return tuple(named[1] if named else options[0] for named, options in found)
