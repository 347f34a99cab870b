"""The emotion that a prompt already carries, before anything is drawn.

`read_phrases` needs no model: it looks the prompt's words up among the presets and the cue table.
A vision-language model reads more (`LvlmScorer.read_text`), and falls back to this.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from ..plane.words import ALL_PRESETS, nearest_words
from ..records.emotion import Emotion, clipped_emotion
from ..records.prompt import (
    checked_prompt,
)
from ..records.reading import Cue, Reading
from ..refining.cues import FAMILIES, CueLevel, longest_phrase
from ..refining.rules import effect_in_words

NAME = "phrase table"
SPREAD = (0.8, 0.7)
"""Standard deviation of valence and arousal, in scale points, of OASIS pictures around what the
Glasgow norm of their theme's word predicts (r 0.757 and 0.517): the best that words can tell."""
UNKNOWN_SPREAD = (1.23, 0.84)
"""Of all OASIS pictures, where no word is known."""
NUM_WORDS = 2
UNKNOWN = "unknown"
"""In an emotion word's place, where no word of the prompt was known."""
_NEGATIONS = {"not", "no", "never", "without", "hardly", "isn't", "nothing"}
_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*\w)?")

# other forms of a preset's word
FORMS: dict[str, str] = {
    "afraid": "fear",
    "alarming": "alarmed",
    "amused": "amusement",
    "amusing": "amusement",
    "angrily": "anger",
    "angry": "anger",
    "astonishing": "astonished",
    "awe-inspiring": "awe",
    "awestruck": "awe",
    "calming": "calm",
    "calmly": "calm",
    "contented": "contentment",
    "delight": "delighted",
    "delightful": "delighted",
    "disgusted": "disgust",
    "disgusting": "disgust",
    "drooping": "droopy",
    "excitedly": "excited",
    "exciting": "excitement",
    "fearful": "fear",
    "happily": "happy",
    "happiness": "happy",
    "miserably": "miserable",
    "misery": "miserable",
    "sadly": "sad",
    "serenely": "serene",
    "serenity": "serene",
    "tension": "tense",
}


def read_phrases(prompt: str) -> Reading:
    """What the prompt's known words and phrases say, without a model.

    Emotion words are averaged, the effects of named cues ("under a dark storm sky") are added, as
    in the drawn world. A word behind "not", "no" or "without" does not count.

    Returns: a reading whose cues name what was found and whose rationale says how many words were
        known; "unknown", with a warning, where none was.
    Raises: ConfigError: the prompt is empty.
    """
    started = time.perf_counter()
    count = len(words_of(prompt))
    text = " ".join(checked_prompt(prompt).lower().replace(",", " ").split())
    levels, rest = _named_levels(text)
    words = [
        word for word in unnegated(_WORD.findall(rest)) if FORMS.get(word, word) in ALL_PRESETS
    ]
    if not words and not levels:
        return unknown_reading(NAME, count)
    felt = [ALL_PRESETS[FORMS.get(word, word)].emotion for word in words]
    valence = sum(e.valence for e in felt) / max(1, len(felt)) + sum(c.valence for c in levels)
    arousal = sum(e.arousal for e in felt) / max(1, len(felt)) + sum(c.arousal for c in levels)
    emotion, clipped = clipped_emotion(valence, arousal)
    cues = (
        *(Cue(word, placed(felt_here)) for word, felt_here in zip(words, felt, strict=True)),
        *(Cue(level.label, effect_in_words(level)) for level in levels),
    )
    return Reading(
        emotion=emotion,
        uncertainty=SPREAD,
        words=nearest_words(emotion, NUM_WORDS),
        cues=cues,
        model=NAME,
        clipped=clipped,
        rationale=f"The {NAME} knows {count - len(_WORD.findall(rest)) + len(words)} of "
        f"{count} words.",
        seconds=time.perf_counter() - started,
    )


def _named_levels(text: str) -> tuple[list[CueLevel], str]:
    """The cue of each family with the longest phrase in the text, and the text without them."""
    found = []
    rest = f" {text} "
    for family in FAMILIES.values():
        named = longest_phrase(text, family)
        if named:
            phrase, level = named
            found.append(level)
            rest = rest.replace(f" {phrase} ", "  ")
    return found, rest


def words_of(prompt: str) -> list[str]:
    """The words of a prompt, casefolded. Raises: ConfigError: it is empty."""
    return _WORD.findall(checked_prompt(prompt).casefold())


def unnegated(words: Sequence[str]) -> list[str]:
    """Those that do not stand within two words behind a negation."""
    return [
        word
        for index, word in enumerate(words)
        if not _NEGATIONS & set(words[max(0, index - 2) : index])
    ]


def unknown_reading(name: str, count: int) -> Reading:
    """Of a prompt of which a table knows none of its words."""
    told = f"{name} knows none of the {count} words, so the emotion is {UNKNOWN}"
    return Reading(
        emotion=Emotion(0, 0),
        uncertainty=UNKNOWN_SPREAD,
        words=(UNKNOWN,),
        model=name,
        rationale=f"{name} knows 0 of {count} words.",
        warnings=(
            f"{told}; neutral is handed on in its place. A vision-language model as the scorer "
            "reads any words.",
        ),
    )


def placed(emotion: Emotion) -> str:
    """A known word's place, as a cue tells it."""
    return f"valence {emotion.valence:+.1f}, arousal {emotion.arousal:+.1f}"
