"""Affect words put where they belong in the artist's sentence: a cheap rival of the loop.

The idea is EPIG's (arXiv 2606.13247): a prompt has a subject, a stimulus and a context, and words
of feeling work better in their role than at the end. It knows the target alone, no picture.
"""

from __future__ import annotations

import math
import re

from ..records.emotion import CATEGORIES, Emotion
from ..records.refinement import Refinement, Suggestion
from ..records.request import RefineRequest
from ..refining.base import Refiner
from ..refining.cues import FAMILIES, CueLevel
from ..refining.kept_words import settled_families

ADJECTIVES = dict(
    zip(
        CATEGORIES,
        ("happy", "joyful", "lively", "tense", "unhappy", "lonely", "quiet", "peaceful"),
        strict=True,
    )
)
"""Of the subject, by the target's sector of the plane."""
STIMULI, CONTEXTS = ("signs", "weather"), ("sky", "light", "palette")
LEAST = (0.5, 1.2, 2.0)
"""Distance of the target from neutral at which subject, context and stimulus get their words."""
_PLACE = re.compile(r"\s(on|in|at|by|under|near|before|behind|beside|above|between|among)\s")
_ARTICLE = re.compile(r"(.*?\b)(an?|the)\s(?=\w)", re.IGNORECASE)


class RoleInsertion(Refiner):
    """Writes words of the target's feeling into the roles of the prompt."""

    name = "affect words by role"

    def refine(self, request: RefineRequest) -> Refinement:
        """The artist's sentence with the words in it; the literal prompt is not kept whole."""
        target, prompt = request.target, request.artist_prompt.strip()
        strength = math.hypot(target.valence, target.arousal)
        kept = settled_families(prompt)
        place = _PLACE.search(prompt)
        subject = prompt[: place.start()] if place else prompt
        context = prompt[place.start() :] if place else ""
        told: list[Suggestion] = []
        if strength >= LEAST[0] and target.category in ADJECTIVES:
            adjective = ADJECTIVES[target.category]
            subject = _described(subject, adjective)
            told.append(Suggestion(f"subject: {adjective}"))
        if strength >= LEAST[1] and (level := _fitting(CONTEXTS, target, kept)):
            context = f"{context}, {level.phrases[0]}"
            told.append(Suggestion(f"context: {level.label}", cue=level.label))
        if strength >= LEAST[2] and (level := _fitting(STIMULI, target, kept)):
            subject = f"{subject} {level.phrases[0]}"
            told.append(Suggestion(f"stimulus: {level.label}", cue=level.label))
        return Refinement(prompt=f"{subject}{context}", suggestions=tuple(told), refiner=self.name)


def _described(subject: str, adjective: str) -> str:
    """ "a boat" as "a lonely boat"; a subject without an article has the adjective in front."""
    found = _ARTICLE.match(subject)
    if found is None:
        return f"{adjective} {subject}"
    article = found[2]
    if article.lower() in ("a", "an"):
        article = "an" if adjective[0] in "aeiou" else "a"
    return f"{found[1]}{article} {adjective} {subject[found.end() :]}"


def _fitting(families: tuple[str, ...], target: Emotion, kept: set[str]) -> CueLevel | None:
    """The level that points most towards the target, of families that the artist left open."""
    levels = [level for name in families if name not in kept for level in FAMILIES[name]]
    return max(
        levels,
        key=lambda level: level.valence * target.valence + level.arousal * target.arousal,
        default=None,
    )
