"""Mixing anchors: how much of each makes an emotion, and how their conditionings are put together.

An anchor is an emotion on the rim of the plane. An emotion lies in the triangle of the middle and
two neighbouring anchors, and its weights are those of the triangle's corners: piecewise linear,
continuous, 1 together, at most three of them not zero.

Conditionings are mixed as embeddings where their layouts agree, else as weighted predictions.

ComfyUI averages the predictions of a CONDITIONING's entries by their `strength` and computes them
in one batch. Entries whose strengths sum to 1 therefore *are* a mix of predictions, in every
sampler, guider and model, and what an entry carries (mask, area, ControlNet, timestep range, keys
of other packs) stays with it.

Source: mixing the predictions of anchor prompts is the idea of CogBlender (arXiv 2603.09286); the
triangles, which cost three predictions at most and often fewer, are this project's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError
from ..records.emotion import LIMIT, Emotion

# counter-clockwise from pleasure; on the square's rim, so that no point of the scale lies outside
_RIM = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
ANCHORS: dict[int, tuple[Emotion, ...]] = {
    8: tuple(Emotion(LIMIT * x, LIMIT * y) for x, y in _RIM),
    4: tuple(Emotion(LIMIT * x, LIMIT * y) for x, y in _RIM[1::2]),
}
"""How many -> where they are; four are the corners."""

Entry = list[Any]
"""[context tokens [B, T, C], extra keys] of ComfyUI's CONDITIONING."""
Part = tuple[float, Entry]
"""A weight and what it weighs."""

POOLED = "pooled_output"
STRENGTH = "strength"


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


def mix_conditionings(parts: Sequence[tuple[float, list[Entry]]]) -> list[Entry]:
    """One conditioning from several that the same CLIP encoded.

    Args:
        parts: weights, which sum to 1, and conditionings with the same number of entries; the keys
            of the first are kept.
    Returns: mixed embeddings, as many entries as came in, or weighted entries where the layouts
        differ (texts of different token lengths): their predictions are mixed then.
    """
    weighed = [(weight, entries) for weight, entries in parts if weight != 0]
    if len(weighed) == 1:
        return weighed[0][1]
    mixed: list[Entry] = []
    for entries in zip(*(entries for _, entries in weighed), strict=True):
        group = [(weight, entry) for (weight, _), entry in zip(weighed, entries, strict=True)]
        mixed += [blend(group)] if same_layout(entries) else weigh(group)
    return mixed


def same_layout(entries: Sequence[Entry]) -> bool:
    """Whether embeddings can be added: equal shapes, and equal keys beside the pooled output."""
    (first, extra), *others = entries
    return all(
        context.shape[1:] == first.shape[1:]
        and context.shape[0] in (1, first.shape[0])
        and extra.keys() == other.keys()
        and all(_equal(extra[key], other[key]) for key in extra if key not in (POOLED, STRENGTH))
        for context, other in others
    )


def blend(parts: Sequence[Part]) -> Entry:
    """The weighted sum of entries of one layout; the first gives the keys."""
    (_, (first, extra)), *_ = parts
    context = _weighted_sum([(weight, entry[0]) for weight, entry in parts], first)
    pooled = extra.get(POOLED)
    if pooled is None:
        return [context, dict(extra)]
    summed = _weighted_sum([(weight, entry[1][POOLED]) for weight, entry in parts], pooled)
    return [context, {**extra, POOLED: summed}]


def weigh(parts: Iterable[Part]) -> list[Entry]:
    """Entries whose predictions ComfyUI mixes by these weights."""
    return [
        [context, {**extra, STRENGTH: extra.get(STRENGTH, 1.0) * weight}]
        for weight, (context, extra) in parts
    ]


def _weighted_sum(parts: Sequence[tuple[float, Tensor]], like: Tensor) -> Tensor:
    # in fp32: weights beyond 1 cancel against negative ones, which half precision does badly
    total = sum(weight * tensor.to(like.device, torch.float32) for weight, tensor in parts)
    return torch.as_tensor(total).to(like.dtype)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return (
            isinstance(one, Tensor)
            and isinstance(other, Tensor)
            and one.shape == other.shape
            and torch.equal(one.to(other.device), other)
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one is other or bool(one == other)
