import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.cues import FAMILIES
from emofeedback.emotion import Emotion
from emofeedback.evidence import READING_SPREAD, Evidence, combination_of
from emofeedback.refining import RefineRequest, with_clause
from emofeedback.rules import (
    CHANGE_COST,
    MAX_CLAUSE_WORDS,
    RuleRefiner,
    affect_clause,
    choose_cues,
    named_cues,
)
from emofeedback.scoring import Reading

NEUTRAL = tuple(family[0] for family in FAMILIES.values())
any_cues = st.tuples(*(st.sampled_from(family) for family in FAMILIES.values()))
emotions = st.builds(Emotion, st.floats(-3, 3), st.floats(-3, 3))


def effect(cues):
    return sum(c.valence for c in cues), sum(c.arousal for c in cues)


@given(any_cues)
def test_a_clause_names_the_cues_it_was_made_of(cues):
    clause = affect_clause(cues, max_words=100)
    assert named_cues(with_clause("a boat on the sea", clause)) == cues


@given(any_cues)
def test_a_clause_stays_within_its_words(cues):
    assert len(affect_clause(cues).split()) <= MAX_CLAUSE_WORDS


@given(any_cues, emotions, st.lists(st.tuples(any_cues, emotions), max_size=4))
@settings(deadline=None, max_examples=30)
def test_chosen_cues_are_never_expected_to_do_worse_than_what_is_there(cues, target, tried):
    evidence = Evidence.of(tried)
    gaps = evidence.expected_gaps(target)
    chosen = choose_cues(cues, target, evidence)
    named = sum(bool(level.phrases) for level in cues)
    assert gaps[combination_of(chosen)] <= gaps[combination_of(cues)] + CHANGE_COST * named + 1e-9


def test_a_neutral_target_asks_for_nothing():
    assert choose_cues(NEUTRAL, Emotion(0, 0)) == NEUTRAL


def test_what_was_read_often_outweighs_the_table():
    loud = tuple(max(family, key=lambda level: level.arousal) for family in FAMILIES.values())
    promised, read = 3.0, -1.0
    felt = [Evidence.of([(loud, Emotion(0, read))] * n).feeling(loud)[1] for n in (0, 1, 4, 400)]
    assert felt[0] == promised and felt == sorted(felt, reverse=True)
    assert felt[-1] == pytest.approx(read, abs=0.05)


def test_the_evidence_equals_regression_on_the_noise_covariance():
    """The same posterior in its other form: gain = prior X' (X prior X' + noise)^-1."""
    one, two = (
        (*NEUTRAL[:n], FAMILIES[f][1], *NEUTRAL[n + 1 :]) for n, f in enumerate(FAMILIES) if n < 2
    )
    tried = [(one, Emotion(1, -1)), (one, Emotion(0.4, 0)), (two, Emotion(-2, 1))]
    before, after = Evidence.of(()), Evidence.of(tried)
    rows = np.stack(
        [[1.0, *(level in cues for f in FAMILIES.values() for level in f)] for cues, _ in tried]
    )
    promised = np.array([effect(cues) for cues, _ in tried])
    missing = np.array([[read.valence, read.arousal] for _, read in tried]) - promised
    prior = before.covariance
    gain = prior @ rows.T @ np.linalg.inv(rows @ prior @ rows.T + READING_SPREAD**2 * np.eye(3))
    np.testing.assert_allclose(after.mean, gain @ missing, atol=1e-9)
    np.testing.assert_allclose(after.covariance, prior - gain @ rows @ prior, atol=1e-9)


def refined(artist_prompt, prompt, read, target):
    return RuleRefiner().refine(
        RefineRequest(
            artist_prompt=artist_prompt,
            prompt=prompt,
            images=torch.zeros(1, 8, 8, 3),
            readings=(Reading(emotion=read),),
            target=target,
            best=0,
        )
    )


@pytest.mark.parametrize("target", [(2, 2), (-2, 2), (-2, -2), (2, -2)])
def test_each_quadrant_gets_words_that_lead_there(target):
    answer = refined("a boat", "a boat", Emotion(0, 0), Emotion(*target))
    valence, arousal = effect(named_cues(answer.prompt))
    assert math.hypot(valence - target[0], arousal - target[1]) < 0.8
    assert answer.suggestions and answer.prompt.startswith("a boat, ")


def test_an_ignored_cue_makes_the_next_round_ask_for_more():
    target = Emotion(-2.5, 2.0)
    first = refined("a boat", "a boat", Emotion(0, 0), target)
    second = refined("a boat", first.prompt, Emotion(-0.5, 0.2), target)
    assert effect(named_cues(second.prompt))[0] < effect(named_cues(first.prompt))[0]


def test_the_artists_own_cue_words_are_kept():
    own = "a boat under storm clouds"
    answer = refined(own, own, Emotion(-1, 1), Emotion(2.5, -1))
    assert answer.prompt.startswith(own)
    assert named_cues(answer.clause)[0].neutral
