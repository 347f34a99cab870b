"""Rewards of a scorer's written answers, in the form that TRL calls them: one number a completion.

Answers may be two digits, or a JSON object, after `<think>..</think>` where one was asked for. What
cannot be read is worth nothing, and never a random number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from emofeedback.errors import ScorerAnswerError
from emofeedback.lvlm.answers import read_rating
from emofeedback.records.emotion import Emotion, from_scale

THRESHOLD = 0.525
"""Q-Insight's 0.35 on a 1..5 scale, on [-3, 3]."""
THOUGHT = re.compile(r"\s*<think>.+?</think>\s*(<answer>.+?</answer>|\{.+\})\s*", re.DOTALL)
RewardFn = Callable[..., list[float]]


@dataclass(frozen=True)
class ReadAnswer:
    """What a completion says."""

    emotion: Emotion
    cues: tuple[str, ...] | None
    """Names, lower case; None where the answer has no such field."""
    category: str
    """As named, else that of the emotion."""


def text_of(completion: Any) -> str:
    """The text of a completion: TRL gives a string, or a list of messages."""
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def read_answer(text: str) -> ReadAnswer:
    """Raises: ScorerAnswerError: no two ratings from 1 to 9 can be read."""
    told = read_rating(text)
    emotion = Emotion(from_scale(told.valence, "sam9"), from_scale(told.arousal, "sam9"))
    cues = tuple(cue.name.lower() for cue in told.cues) if "cues" in told.fields else None
    return ReadAnswer(emotion, cues, told.category.lower() or emotion.category)


def agreement_reward(*, form: str) -> RewardFn:
    """Agreement with the columns `valence` and `arousal` (on [-3, 3]): 0..1.

    Args:
        form: "continuous": exp(-(gap / 1)^2 / 2), mean of both axes, so that a gradient is left
            inside the threshold; "threshold": share of axes whose gap is below 0.525.
    """

    def reward(
        completions: Sequence[Any], valence: Sequence[float], arousal: Sequence[float], **_: Any
    ) -> list[float]:
        rewards = []
        for completion, *truth in zip(completions, valence, arousal, strict=True):
            told = _told(completion)
            if told is None:
                rewards.append(0.0)
                continue
            gaps = [abs(a - b) for a, b in zip((told.emotion.valence, told.emotion.arousal), truth)]
            if form == "threshold":
                rewards.append(sum(gap < THRESHOLD for gap in gaps) / 2)
            else:
                rewards.append(sum(math.exp(-(gap**2) / 2) for gap in gaps) / 2)
        return rewards

    reward.__name__ = f"emotion_{form}"
    return reward


def expected_reward(*, group: int) -> RewardFn:
    """How much nearer an answer brings the mean of its group to the truth, in scale points.

    A scorer's reading is the expected value of its answers, which a reward of single answers would
    sharpen to one digit and so make coarser. An unreadable answer leaves the mean as it is: 0.

    Args:
        group: completions of one prompt, which stand side by side.
    """

    def reward(
        completions: Sequence[Any], valence: Sequence[float], arousal: Sequence[float], **_: Any
    ) -> list[float]:
        told = [_told(completion) for completion in completions]
        rewards: list[float] = []
        for start in range(0, len(told), group):
            answers = told[start : start + group]
            axes = (
                _gained(
                    [None if a is None else a.emotion.valence for a in answers], valence[start]
                ),
                _gained(
                    [None if a is None else a.emotion.arousal for a in answers], arousal[start]
                ),
            )
            rewards += [sum(pair) / 2 for pair in zip(*axes, strict=True)]
        return rewards

    reward.__name__ = "emotion_expected"
    return reward


def _gained(values: Sequence[float | None], truth: float) -> list[float]:
    """Gap of the others' mean less the gap of everyone's, times their number: 0 where None."""
    known = [value for value in values if value is not None]
    count, total = len(known), sum(known)
    if count < 2:
        return [0.0] * len(values)
    gap = abs(total / count - truth)
    return [
        0.0 if value is None else count * (abs((total - value) / (count - 1) - truth) - gap)
        for value in values
    ]


def category_reward(completions: Sequence[Any], category: Sequence[str], **_: Any) -> list[float]:
    """1 where the category is the true one: as its rater named it, or a sector of the plane."""
    told = map(_told, completions)
    return [
        float(each is not None and each.category == true)
        for each, true in zip(told, category, strict=True)
    ]


def cue_reward(
    completions: Sequence[Any], cues: Sequence[Sequence[str]], **_: Any
) -> list[float | None]:
    """F1 of the named cues; None (not counted) where the answer names none or none are known."""
    rewards: list[float | None] = []
    for completion, true in zip(completions, cues, strict=True):
        told = _told(completion)
        if told is None:
            rewards.append(0.0)
        elif told.cues is None or true is None:
            rewards.append(None)
        else:
            wanted, named = {cue.lower() for cue in true}, set(told.cues)
            total = len(wanted) + len(named)
            rewards.append(2 * len(wanted & named) / total if total else 1.0)
    return rewards


def format_reward(completions: Sequence[Any], **_: Any) -> list[float]:
    """1 for a readable answer in the asked form, thoughts first where there are any."""
    rewards = []
    for completion in completions:
        text = text_of(completion)
        shaped = THOUGHT.fullmatch(text) is not None or "<" not in text
        rewards.append(float(shaped and _told(completion) is not None))
    return rewards


def _told(completion: Any) -> ReadAnswer | None:
    try:
        return read_answer(text_of(completion))
    except ScorerAnswerError:
        return None
