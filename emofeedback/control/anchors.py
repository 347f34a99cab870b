"""Anchors: emotions on the rim of the plane, and how much of each makes an emotion between them.

An anchor is an extreme version of the artist's prompt. The neutral prompt stands in the middle; an
emotion lies in the triangle of the middle and two neighbouring anchors, and its weights are those
of the triangle's corners: piecewise linear, continuous, 1 together, at most three of them not zero.

Source: mixing the predictions of anchor prompts is the idea of CogBlender (arXiv 2603.09286); the
triangles, which cost three predictions at most and often fewer, are this project's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
from ..refining.rules import RuleRefiner, affect_clause, named_cues

# counter-clockwise from pleasure; on the square's rim, so that no point of the scale lies outside
_RIM = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
ANCHORS: dict[int, tuple[Emotion, ...]] = {
    8: tuple(Emotion(LIMIT * x, LIMIT * y) for x, y in _RIM),
    4: tuple(Emotion(LIMIT * x, LIMIT * y) for x, y in _RIM[1::2]),
}
"""How many -> where they are; four are the corners."""

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


@dataclass(frozen=True, slots=True)
class AnchorWeights:
    """What an emotion is mixed from.

    Args:
        neutral: weight of the plain prompt; negative beyond the rim, where the mix extrapolates.
        anchors: (place in `ANCHORS[count]`, weight above 0) of at most two anchors.
    """

    neutral: float
    anchors: tuple[tuple[int, float], ...]


def anchor_weights(emotion: Emotion, count: int = 8, strength: float = 1.0) -> AnchorWeights:
    """Weights of the neutral prompt and of the anchors; they sum to 1.

    Args:
        count: of anchors, 4 or 8.
        strength: moves the emotion along the ray from neutral: 0 is neutral, 1 the emotion,
            beyond 1 more of it, below 0 the opposite emotion.
    Raises: ConfigError: another count, or a strength that is not a number.
    """
    if count not in ANCHORS:
        raise ConfigError(f"There are {count} anchors; use 4 or 8.")
    strength = checked_strength(strength)
    valence, arousal = emotion.valence * strength, emotion.arousal * strength
    if valence == 0 and arousal == 0:
        return AnchorWeights(1.0, ())
    shares = _shares(valence, arousal, ANCHORS[count])
    return AnchorWeights(1.0 - sum(weight for _, weight in shares), shares)


def checked_strength(strength: float) -> float:
    """Raises: ConfigError: NaN or infinity."""
    if not math.isfinite(strength):
        raise ConfigError(f"The strength is {strength}. Give a number; 1 is the emotion itself.")
    return strength


def _shares(
    valence: float, arousal: float, rim: tuple[Emotion, ...]
) -> tuple[tuple[int, float], ...]:
    """Solves (valence, arousal) = sum of weight * anchor for the two anchors beside its ray."""
    for first, low in enumerate(rim):
        second = (first + 1) % len(rim)
        high = rim[second]
        area = low.valence * high.arousal - low.arousal * high.valence
        of_low = (valence * high.arousal - arousal * high.valence) / area
        of_high = (low.valence * arousal - low.arousal * valence) / area
        if of_low >= 0 and of_high >= 0:
            break
    return tuple(
        (index, weight) for index, weight in ((first, of_low), (second, of_high)) if weight
    )


def rule_clause(prompt: str, index: int, count: int = 8) -> str:
    """What the rules of the affect-phrase table add to a prompt for one anchor."""
    emotion = ANCHORS[count][index]
    chosen = _CHOSEN.get((emotion.valence, emotion.arousal), ())
    # the artist's own words on a family stay, and the rules then make the best of the others
    if chosen and not any(level.phrases for level in named_cues(checked_prompt(prompt))):
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
