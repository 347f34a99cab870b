"""Anchors: the weights of an emotion, and the words of each."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.control.anchors import rule_clause, typed_clauses, written_clause
from emofeedback.control.mixing import ANCHORS, anchor_weights
from emofeedback.errors import ConfigError, ScorerAnswerError
from emofeedback.records.emotion import LIMIT, Emotion
from emofeedback.records.refinement import (
    Refinement,
)
from emofeedback.records.request import (
    RefineRequest,
)
from emofeedback.refining.cues import named_cues

axis = st.floats(-LIMIT, LIMIT, allow_nan=False)
strengths = st.floats(-2, 3, allow_nan=False)
counts = st.sampled_from(sorted(ANCHORS))


def dense(emotion: Emotion, count: int, strength: float = 1.0) -> np.ndarray:
    """Weights as an array: the neutral one first, then one for each anchor."""
    weights = anchor_weights(emotion, count, strength)
    array = np.zeros(count + 1)
    array[0] = weights.neutral
    for index, weight in weights.anchors:
        array[index + 1] = weight
    return array


@settings(deadline=None)
@given(axis, axis, counts, strengths)
def test_the_weights_sum_to_one_and_their_mean_is_the_emotion(
    valence: float, arousal: float, count: int, strength: float
) -> None:
    weights = dense(Emotion(valence, arousal), count, strength)
    places = np.array([[0, 0], *((a.valence, a.arousal) for a in ANCHORS[count])])
    assert weights.sum() == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(
        weights @ places, [valence * strength, arousal * strength], atol=1e-9
    )
    assert (weights != 0).sum() <= 3
    assert (weights[1:] >= 0).all()


@settings(deadline=None)
@given(axis, axis, counts)
def test_on_the_scale_no_weight_is_negative(valence: float, arousal: float, count: int) -> None:
    assert dense(Emotion(valence, arousal), count).min() >= -1e-12


@settings(deadline=None)
@given(axis, axis, axis, axis, counts)
def test_a_small_move_changes_the_weights_little(
    valence: float, arousal: float, other: float, another: float, count: int
) -> None:
    here, there = Emotion(valence, arousal), Emotion(other, another)
    moved = np.abs(dense(here, count) - dense(there, count)).max()
    assert moved <= math.dist((valence, arousal), (other, another)) / LIMIT * 2 + 1e-9


@pytest.mark.parametrize("count", ANCHORS)
def test_an_anchor_is_itself_and_the_middle_is_the_prompt(count: int) -> None:
    for index, emotion in enumerate(ANCHORS[count]):
        assert anchor_weights(emotion, count).anchors == ((index, 1.0),)
    for nothing in (anchor_weights(Emotion(0, 0)), anchor_weights(Emotion(2, -1), strength=0.0)):
        assert (nothing.neutral, nothing.anchors) == (1.0, ())


def test_half_the_grid_points_need_two_texts_at_most() -> None:
    grid = (-3.0, -1.5, 0.0, 1.5, 3.0)
    used = [(dense(Emotion(v, a), 8) != 0).sum() for v in grid for a in grid]
    assert max(used) == 2  # whence the 1.32 times of stock sampling in docs/emotion-control.md
    assert np.mean([1 + count for count in used]) / 2 == pytest.approx(1.32)


@pytest.mark.parametrize("strength", [float("nan"), float("inf")])
def test_a_strength_that_is_no_number_is_refused(strength: float) -> None:
    with pytest.raises(ConfigError, match="Give a number"):
        anchor_weights(Emotion(1, 1), strength=strength)


@pytest.mark.parametrize("index", range(8))
def test_the_rules_words_carry_each_anchor_far_out(index: int) -> None:
    clause, anchor = rule_clause("a boat on the sea", index), ANCHORS[8][index]
    cues = named_cues(clause)
    valence, arousal = sum(cue.valence for cue in cues), sum(cue.arousal for cue in cues)
    assert math.dist((valence, arousal), (anchor.valence, anchor.arousal)) < 1.5


@pytest.mark.parametrize(
    ("at", "word", "own", "family"),
    [
        ((0, -LIMIT), "moonlight", "in neon light", "light"),
        ((-LIMIT, 0), "crows", "with fireworks", "signs"),
    ],
)
def test_chosen_cues_give_way_to_words_that_the_artist_has_used(
    at: tuple[float, float], word: str, own: str, family: str
) -> None:
    index = ANCHORS[8].index(Emotion(*at))
    assert word in rule_clause("a boat on the sea", index)
    others = rule_clause(f"a boat on the sea {own}", index)
    assert family not in {cue.family for cue in named_cues(others) if cue.phrases}


def test_typed_texts_are_one_line_an_anchor() -> None:
    lines = [f"words {number}" for number in range(4)]
    assert typed_clauses("\n".join(lines) + "\n\n", 4) == tuple(lines)
    with pytest.raises(ConfigError, match="Anchor 3 of 4 .* has no text"):
        typed_clauses("one\ntwo\n \nfour", 4)
    with pytest.raises(ConfigError, match="Anchor 5 of 8"):
        typed_clauses("\n".join(lines), 8)
    with pytest.raises(ConfigError, match="5 anchor texts are typed, but there are 4"):
        typed_clauses("\n".join([*lines, "more"]), 4)


class Silent:
    """A refiner with nothing to say."""

    name = "silent"

    def refine(self, request: RefineRequest) -> Refinement:
        return Refinement(prompt=request.prompt)


def test_a_refiner_that_writes_nothing_is_named() -> None:
    with pytest.raises(ScorerAnswerError, match="silent wrote no words for the anchor at"):
        written_clause("a boat", ANCHORS[8][0], Silent())
    with pytest.raises(ConfigError, match="prompt is ''"):
        rule_clause("", 0)
