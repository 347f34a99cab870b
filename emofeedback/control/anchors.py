"""The anchors' texts: extreme versions of the artist's prompt, by rule, by a refiner or typed."""

from __future__ import annotations

from ..errors import ConfigError, ScorerAnswerError
from ..records.emotion import LIMIT, Emotion
from ..records.prompt import (
    checked_prompt,
)
from ..records.request import (
    blind_request,
)
from ..refining.base import (
    Refiner,
)
from ..refining.cues import find_cue
from ..refining.kept_words import settled_families
from ..refining.rules import RuleRefiner, affect_clause
from .mixing import ANCHORS

_CHOSEN: dict[tuple[float, float], tuple[tuple[str, str], ...]] = {
    (-LIMIT, 0): (
        ("sky", "overcast"), ("weather", "gale"), ("posture", "drooping"), ("signs", "crows"),
        ("palette", "cold"),
    ),
    (0, -LIMIT): (
        ("light", "moonlight"), ("weather", "mist"), ("signs", "lanterns"), ("posture", "drooping")
    ),
}  # fmt: skip
"""Cues for anchors where the words with the best sum hide the place on the embedded generator.

Their effects in the table sum as far out, and `docs/emotion-control.md` has what both measure.
"""


def rule_clause(prompt: str, index: int, count: int = 8) -> str:
    """What the rules of the affect-phrase table add to a prompt for one anchor."""
    emotion = ANCHORS[count][index]
    chosen = _CHOSEN.get((emotion.valence, emotion.arousal), ())
    # the artist's own words on a family stay, and the rules then make the best of the others
    if chosen and not settled_families(checked_prompt(prompt)):
        return affect_clause(tuple(find_cue(family, name) for family, name in chosen))
    return written_clause(prompt, emotion, RuleRefiner())


def written_clause(prompt: str, emotion: Emotion, refiner: Refiner) -> str:
    """The affect clause that takes a prompt's picture from neutral to an emotion.

    The refiner is told that the picture, of which it sees plain grey, feels neutral.

    Raises: ConfigError: the prompt is empty. ScorerError: the refiner failed, or wrote nothing.
    """
    clause = refiner.refine(blind_request(checked_prompt(prompt), emotion)).clause
    if not clause:
        raise ScorerAnswerError(
            f"{refiner.name} wrote no words for the anchor at {emotion}: the prompt may already "
            "say all it has, or leave no room. Shorten the prompt, leave the refiner open, or "
            "type the anchors' texts."
        )
    return clause


def typed_clauses(text: str, count: int) -> tuple[str, ...]:
    """One clause a line, counter-clockwise from pleasure; blank lines at the end do not count.

    Raises: ConfigError: an anchor is left without text, or there are too many lines.
    """
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if len(lines) > count:
        raise ConfigError(
            f"{len(lines)} anchor texts are typed, but there are {count} anchors. Write one line "
            "for each anchor."
        )
    lines += [""] * (count - len(lines))
    for number, (line, emotion) in enumerate(zip(lines, ANCHORS[count], strict=True), start=1):
        if not line:
            raise ConfigError(
                f"Anchor {number} of {count} ({emotion}) has no text. Write one line for each "
                "anchor, counter-clockwise from pleasure, or leave the field empty."
            )
    return tuple(lines)
