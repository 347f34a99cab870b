"""Words for a scene: subject, place and any subset of its cues, in several lengths and orders."""

import math
from collections.abc import Collection

import numpy as np

from emofeedback.refining.cues import FAMILIES, find_cue

from .scene import Scene
from .vocabulary import (
    GLUE_WORDS,
    MOOD_WORDS,
    OPENINGS,
    PLACE_FORMS,
    PLACE_PHRASES,
    SUBJECT_FORMS,
    SUBJECT_PHRASES,
)

MAX_WORDS = 30
_EVERYDAY_SHARE = 0.2
"""Of the names of subjects and places, and of the phrases of cues that have everyday words."""
_MOOD_SHARE = 0.08
_MOOD_SIZE = 1.5
"""Below this distance from the middle a picture has no mood worth a word."""


def _pick(rng: np.random.Generator, options: Collection[str]) -> str:
    return list(options)[rng.integers(len(options))]


def _mood(scene: Scene, rng: np.random.Generator) -> str | None:
    valence, arousal = scene.emotion
    if math.hypot(valence, arousal) < _MOOD_SIZE or rng.random() > _MOOD_SHARE:
        return None
    octant = round(math.degrees(math.atan2(arousal, valence)) / 45) % 8
    return _pick(rng, MOOD_WORDS[octant])


def _named(rng: np.random.Generator, phrases: Collection[str], everyday: Collection[str]) -> str:
    return _pick(rng, everyday if everyday and rng.random() < _EVERYDAY_SHARE else phrases)


def _with_adjective(noun: str, adjective: str) -> str:
    article, *rest = noun.split()
    if not rest:
        return f"{adjective} {noun}"  # "happy people"
    if article in ("a", "an"):
        article = "an" if adjective[0] in "aeiou" else "a"
    return " ".join((article, adjective, *rest))


def _content(scene: Scene, rng: np.random.Generator, mood: str | None = None) -> str:
    subject = _named(rng, SUBJECT_PHRASES[scene.subject], SUBJECT_FORMS[scene.subject])
    place = _named(rng, PLACE_PHRASES[scene.place], PLACE_FORMS[scene.place])
    if mood:
        subject = _with_adjective(subject, mood)
    style = rng.random()
    if style < 0.55:
        return f"{subject} {place}"
    if style < 0.75:
        return f"{place}, {subject}"
    return f"{_pick(rng, OPENINGS)} {subject} {place}"


def neutral_prompt(scene: Scene, rng: np.random.Generator) -> str:
    """What an artist would type for the content alone: "a boat on the sea"; no cue words."""
    return _content(scene, rng)


def spoken_families(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Families for a caption that leaves the others to chance: the pinned ones, seldom more."""
    more = 0.3 if rng.random() < 0.2 else 0.0
    return [family for family in FAMILIES if family in scene.pinned or rng.random() < more]


def caption(
    scene: Scene, rng: np.random.Generator, *, families: Collection[str] | None = None
) -> str:
    """Place, subject and one phrase for the scene's level of each of `families` (all when None).

    Now and then an adjective of the scene's true mood is added.
    Returns: Lower case, at most 30 words, every word in `VOCABULARY`.
    Raises: ValueError: an unknown family is named.
    """
    unknown = set(families or ()) - set(FAMILIES)
    if unknown:
        raise ValueError(f"Unknown families {sorted(unknown)}. Known: {', '.join(FAMILIES)}.")
    levels = [
        find_cue(family, scene.cue(family))
        for family in FAMILIES
        if families is None or family in families
    ]
    levels = [levels[i] for i in rng.permutation(len(levels))]
    content = _content(scene, rng, _mood(scene, rng))
    phrases = [_named(rng, level.phrases, level.also) for level in levels]
    for index, level in enumerate(levels):
        if _num_words(content, *phrases) <= MAX_WORDS:
            break
        phrases[index] = min(level.phrases, key=_num_words)
    if _num_words(content, *phrases) > MAX_WORDS:
        content = f"{SUBJECT_PHRASES[scene.subject][0]} {PLACE_PHRASES[scene.place][0]}"
    separator = " " if rng.random() < 0.2 else ", "
    if phrases and rng.random() < 0.15:
        return separator.join((*phrases, content))
    return separator.join((content, *phrases))


def _num_words(*texts: str) -> int:
    return sum(len(text.split()) for text in texts)


def words_of(text: str) -> list[str]:
    """Lower-case words of a text without punctuation, as the word-level tokenizer splits them."""
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def _vocabulary() -> tuple[str, ...]:
    texts = [*OPENINGS, *GLUE_WORDS, *(word for words in MOOD_WORDS for word in words)]
    for table in (PLACE_PHRASES, PLACE_FORMS, SUBJECT_PHRASES, SUBJECT_FORMS):
        texts += [phrase for phrases in table.values() for phrase in phrases]
    for levels in FAMILIES.values():
        texts += [text for level in levels for text in (*level.phrases, *level.also, level.label)]
    return tuple(sorted({word for text in texts for word in words_of(text)}))


VOCABULARY: tuple[str, ...] = _vocabulary()
"""Every word that captions can contain, and common glue words; lower case, sorted."""
