"""The emotion that a prompt already carries, before anything is drawn.

`read_phrases` needs no model: it looks the prompt's words up among the presets and the cue table.
A vision-language model reads more (`LvlmScorer.read_text`), and falls back to this.
"""

from __future__ import annotations

import re
import time

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
NOTHING_KNOWN = (
    "The phrase table knows no word of this prompt, so it is taken as neutral. A vision-language "
    "model as the scorer reads any words."
)
_NEGATIONS = {"not", "no", "never", "without", "hardly", "isn't", "nothing"}
_WORD = re.compile(r"[a-z][a-z'-]*")

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

    Returns: a reading whose cues name what was found; neutral, with a warning, where nothing was.
    Raises: ConfigError: the prompt is empty.
    """
    started = time.perf_counter()
    text = " ".join(checked_prompt(prompt).lower().replace(",", " ").split())
    levels, rest = _named_levels(text)
    words = _emotion_words(rest)
    felt = [ALL_PRESETS[FORMS.get(word, word)].emotion for word in words]
    valence = sum(e.valence for e in felt) / max(1, len(felt)) + sum(c.valence for c in levels)
    arousal = sum(e.arousal for e in felt) / max(1, len(felt)) + sum(c.arousal for c in levels)
    emotion, clipped = clipped_emotion(valence, arousal)
    cues = (
        *(Cue(word, _placed(felt_here)) for word, felt_here in zip(words, felt, strict=True)),
        *(Cue(level.label, effect_in_words(level)) for level in levels),
    )
    return Reading(
        emotion=emotion,
        uncertainty=SPREAD if cues else UNKNOWN_SPREAD,
        words=nearest_words(emotion, NUM_WORDS),
        cues=cues,
        model=NAME,
        clipped=clipped,
        warnings=() if cues else (NOTHING_KNOWN,),
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


def _emotion_words(text: str) -> list[str]:
    words = _WORD.findall(text)
    return [
        word
        for index, word in enumerate(words)
        if FORMS.get(word, word) in ALL_PRESETS
        and not _NEGATIONS & set(words[max(0, index - 2) : index])
    ]


def _placed(emotion: Emotion) -> str:
    return f"valence {emotion.valence:+.1f}, arousal {emotion.arousal:+.1f}"
