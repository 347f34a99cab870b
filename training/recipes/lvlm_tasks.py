"""What the embedded vision-language model is taught to answer, from a scene's truth.

Three tasks share a picture: the two-digit rating, the reasoned reading, and the refinement, whose
truth comes from the cue table: the cues of the picture, changed one family at a time until their
sum lies where the wanted change of feeling asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emofeedback.lvlm.prompts import fill_prompt, load_prompt
from emofeedback.lvlm.readout import (
    NUM_DIGITS,
)
from emofeedback.lvlm.taught_answers import write_reasoned, write_rewrite
from emofeedback.plane.words import nearest_words
from emofeedback.records.emotion import Emotion, clipped_emotion, to_scale
from emofeedback.records.reading import Cue
from emofeedback.records.refinement import Suggestion
from emofeedback.refining.cues import (
    FAMILIES,
    CueLevel,
    content_effect,
    direction,
    find_cue,
)
from emofeedback.refining.lvlm import signed
from emofeedback.refining.rules import affect_clause

from ..world.captions import neutral_prompt
from ..world.scene import Scene

RATE = "drawn_rate_v1"
EXPLAIN = "drawn_explain_v1"
REFINE = "drawn_refine_v1"
NUM_SUGGESTIONS = 3
GAIN = 0.2
"""A change must bring the feeling this much nearer, in scale points, to be worth making."""
NEAR_ENOUGH = 0.3


@dataclass(frozen=True, slots=True)
class Lesson:
    """One prompt with its right answer."""

    prompt: str
    answer: str


def digit_weights(value: float) -> np.ndarray:
    """Weights [9] of the digits 1..9 whose mean is the value of [-3, 3]: its two neighbours."""
    place = min(max(to_scale(value, "sam9"), 1.0), float(NUM_DIGITS)) - 1
    low = min(int(place), NUM_DIGITS - 2)
    weights = np.zeros(NUM_DIGITS, dtype=np.float32)
    weights[low], weights[low + 1] = 1 - (place - low), place - low
    return weights


def levels_of(scene: Scene) -> tuple[CueLevel, ...]:
    """The scene's cue level of each family."""
    return tuple(find_cue(family, name) for family, name in zip(FAMILIES, scene.cues, strict=True))


def rate_prompt() -> str:
    """The rating prompt; the same for every picture."""
    return load_prompt(RATE)


def explain_lesson(scene: Scene) -> Lesson:
    """The reasoned reading: nearest digits, nearest words, every cue, strongest first."""
    digits = tuple(round(to_scale(value, "sam9")) for value in scene.emotion)
    felt = [level for level in levels_of(scene) if not level.neutral]
    felt.sort(key=lambda level: -math.hypot(level.valence, level.arousal))
    words = nearest_words(Emotion(*scene.emotion), 2)
    cues = [Cue(level.label, direction(level.valence, level.arousal)) for level in felt]
    return Lesson(load_prompt(EXPLAIN), write_reasoned((digits[0], digits[1]), words, cues))


def refine_lesson(scene: Scene, random: np.random.Generator) -> Lesson:
    """A random wanted change, most often to a point on the plane, sometimes hardly any."""
    levels = levels_of(scene)
    target = random.uniform(-3, 3, 2) if random.random() < 0.9 else np.asarray(scene.emotion)
    # the scorer's own error stands between the picture's truth and the change it asks for
    change = target - np.asarray(scene.emotion) + random.normal(0, 0.3, 2)
    change = np.round(change, 1)
    content = content_effect(scene.place, scene.subject)
    after = refined_levels(levels, (float(change[0]), float(change[1])), content)
    prompt = fill_prompt(
        REFINE,
        prompt=neutral_prompt(scene, random),
        valence=signed(change[0]),
        arousal=signed(change[1]),
    )
    seen = tuple(level.label for level in levels if not level.neutral)
    # what nobody changed and what adds nothing is left to chance, in few words
    said = tuple(
        new for old, new in zip(levels, after, strict=True) if new != old or not new.neutral
    )
    return Lesson(prompt, write_rewrite(_suggestions(levels, after), affect_clause(said), seen))


def refined_levels(
    levels: tuple[CueLevel, ...],
    change: tuple[float, float],
    content: tuple[float, float] = (0.0, 0.0),
) -> tuple[CueLevel, ...]:
    """Change one family at a time, best first, until no change helps enough.

    Args:
        levels: the picture's level of each family.
        change: wanted change of valence and arousal.
        content: effect of the picture's place and subject, which stays.
    """
    valence, arousal = _total(levels)
    felt = clipped_emotion(valence + content[0], arousal + content[1])[0]
    wanted = (
        felt.valence + change[0] - content[0],
        felt.arousal + change[1] - content[1],
    )
    current, touched = list(levels), set[int]()
    while _distance(current, wanted) > NEAR_ENOUGH:
        options = [
            (_distance([*current[:place], level, *current[place + 1 :]], wanted), place, level)
            for place, family in enumerate(FAMILIES.values())
            if place not in touched
            for level in family
        ]
        if not options:
            break
        distance, place, level = min(options, key=lambda option: option[:2])
        if distance > _distance(current, wanted) - GAIN:
            break
        current[place] = level
        touched.add(place)
    return tuple(current)


def _suggestions(
    before: tuple[CueLevel, ...], after: tuple[CueLevel, ...]
) -> tuple[Suggestion, ...]:
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    changed.sort(key=lambda pair: -math.dist(*(_total((level,)) for level in pair)))
    return tuple(_suggestion(old, new) for old, new in changed[:NUM_SUGGESTIONS])


def _suggestion(old: CueLevel, new: CueLevel) -> Suggestion:
    if new.neutral:
        text = f"drop {old.label}"
    elif old.neutral:
        text = f"add {new.label}"
    else:
        text = f"swap {old.label} for {new.label}"
    effect = (new.valence - old.valence, new.arousal - old.arousal)
    return Suggestion(text, cue=new.label, reason=direction(*effect))


def _total(levels: tuple[CueLevel, ...] | list[CueLevel]) -> tuple[float, float]:
    return sum(level.valence for level in levels), sum(level.arousal for level in levels)


def _distance(levels: list[CueLevel], wanted: tuple[float, ...]) -> float:
    return math.dist(_total(levels), wanted)
