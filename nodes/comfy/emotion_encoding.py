"""A prompt and an emotion as one conditioning: by adapter, by words, by anchors, or together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...emofeedback.control.adapter import EmotionAdapter
from ...emofeedback.control.anchors import rule_clause
from ...emofeedback.control.mixing import (
    POOLED,
    Entry,
    anchor_weights,
    checked_strength,
    mix_conditionings,
)
from ...emofeedback.errors import ConfigError
from ...emofeedback.records.emotion import Emotion
from ...emofeedback.records.limits import check_choice
from ...emofeedback.refining.kept_words import with_clause
from ...emofeedback.refining.rules import affect_phrase
from ..widgets.names import LOAD_EMBEDDED
from .conditioning_checks import check_finite
from .embedded_models import attached_adapter, attached_strength
from .text import encode_text

ADAPTER, PHRASE, ANCHORS = "adapter", "phrase", "anchors"
DEFAULT_COUNT = 8
METHODS: dict[str, frozenset[str]] = {
    " + ".join(ways): frozenset(ways)
    for ways in (
        (ADAPTER,),
        (PHRASE,),
        (ANCHORS,),
        (ADAPTER, PHRASE),
        (ADAPTER, ANCHORS),
        (PHRASE, ANCHORS),
        (ADAPTER, PHRASE, ANCHORS),
    )
}
"""What the artist chooses -> the ways that work together."""
SHARE = 0.825
"""Of the strength, for the adapter and for the anchors where both work on a prompt.

Each alone goes the whole way; together at full strength they overshoot and hide the place.
"""


def encode_emotion(
    clip: Any,
    prompt: str,
    emotion: Emotion,
    strength: float,
    method: str = ADAPTER,
    clauses: Sequence[str] | None = None,
) -> list[Entry]:
    """Conditioning of a prompt moved towards an emotion.

    Args:
        clip: a ComfyUI CLIP.
        strength: 0 returns the plain conditioning, bit for bit; beyond 1 goes past the emotion,
            below 0 away from it.
        method: one of `METHODS`.
        clauses: of 4 or 8 anchors; by default the rules' for the prompt.
    Raises: ConfigError: an adapter is asked for and the CLIP carries none that fits, or NaN.
    """
    check_choice("method", method, METHODS)
    ways = METHODS[method]
    plain = encode_text(clip, prompt)
    if checked_strength(strength) == 0:
        return plain
    adapter = _adapter_of(clip) if ADAPTER in ways else None
    parts = [
        (weight, plain if text == prompt else encode_text(clip, text))
        for weight, text in _texts(prompt, emotion, strength, ways, clauses)
        if weight != 0
    ]
    mixed = mix_conditionings(parts)
    for context, _ in mixed:
        check_finite(context, f"the prompt {prompt!r}")
    if adapter is None:
        return mixed
    strength *= _share(ways) * attached_strength(clip)
    return [_adapted(adapter, entry, emotion, strength) for entry in mixed]


def _share(ways: frozenset[str]) -> float:
    return SHARE if {ADAPTER, ANCHORS} <= ways else 1.0


def _texts(
    prompt: str,
    emotion: Emotion,
    strength: float,
    ways: frozenset[str],
    clauses: Sequence[str] | None,
) -> list[tuple[float, str]]:
    """The texts to mix, with weights that sum to 1; the artist's own prompt comes first."""
    phrased = with_clause(prompt, affect_phrase(emotion)) if PHRASE in ways else prompt
    if ANCHORS not in ways:
        return _toward(prompt, [(1.0, phrased)], strength)
    known = clauses or ()
    count = len(known) or DEFAULT_COUNT
    # with a phrase, the phrased prompt takes the neutral corner's place, else the middle has none
    far = _share(ways) * (1.0 if PHRASE in ways else strength)
    weights = anchor_weights(emotion, count, far)
    rim = [
        (weight, with_clause(prompt, known[index] if known else rule_clause(prompt, index, count)))
        for index, weight in weights.anchors
    ]
    texts = [(weights.neutral, phrased), *rim]
    return _toward(prompt, texts, strength) if PHRASE in ways else texts


def _toward(
    prompt: str, texts: list[tuple[float, str]], strength: float
) -> list[tuple[float, str]]:
    """From the prompt (0) to a mix of texts (1) and beyond; equal texts are one."""
    weights = {prompt: 1 - strength}
    for weight, text in texts:
        weights[text] = weights.get(text, 0.0) + strength * weight
    return [(weight, text) for text, weight in weights.items()]


def _adapter_of(clip: Any) -> EmotionAdapter:
    adapter = attached_adapter(clip)
    if adapter is None:
        raise ConfigError(
            f"This CLIP carries no emotion adapter. Connect the CLIP of {LOAD_EMBEDDED} or of an "
            "emotion checkpoint, or set method to 'phrase' or 'anchors', which work with every "
            "CLIP."
        )
    return adapter


def _adapted(adapter: EmotionAdapter, entry: Entry, emotion: Emotion, strength: float) -> Entry:
    context, extra = entry
    pooled = extra.get(POOLED)
    if not adapter.pooled_width:
        pooled = context.new_zeros(len(context), 0)
    elif pooled is None:
        raise ConfigError(
            "This CLIP gives no pooled output, which the emotion adapter needs. Choose a method "
            "without 'adapter'."
        )
    found, wanted = (
        (context.shape[-1], pooled.shape[-1]),
        (adapter.context_width, adapter.pooled_width),
    )
    if found != wanted:
        raise ConfigError(
            f"The emotion adapter is made for text embeddings of width {wanted[0]} and "
            f"{wanted[1]}; this CLIP's have {found[0]} and {found[1]}. Load the CLIP of the "
            "checkpoint's family, or choose a method without 'adapter'."
        )
    device = next(adapter.parameters()).device
    felt = torch.tensor([[emotion.valence, emotion.arousal]], device=device)
    moved, moved_pooled = adapter(context.to(device), pooled.to(device), felt, strength)
    if adapter.pooled_width:
        extra = {**extra, POOLED: moved_pooled.to(pooled.device)}
    return [moved.to(context.device), dict(extra)]
