import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.records.emotion import Emotion
from emofeedback.records.reading import Reading
from emofeedback.records.request import (
    RefineRequest,
)
from emofeedback.refining.cues import FAMILIES, NOTHING_NAMED, OPTIONS, find_cue, named_cues
from emofeedback.refining.evidence import (
    CANDIDATE_SPREAD,
    NAMED_COST,
    NEAREST,
    READING_SPREAD,
    Evidence,
    combination_of,
    combinations,
)
from emofeedback.refining.kept_words import with_clause
from emofeedback.refining.rules import (
    MAX_CLAUSE_WORDS,
    RuleRefiner,
    affect_clause,
    choose_cues,
)
from training.world.scene import sample_unnamed

any_cues = st.tuples(*(st.sampled_from(options) for options in OPTIONS.values()))
emotions = st.builds(Emotion, st.floats(-3, 3), st.floats(-3, 3))


def effect(cues):
    cues = tuple(cues)
    return sum(c.valence for c in cues), sum(c.arousal for c in cues)


@given(any_cues)
def test_a_clause_names_the_cues_it_was_made_of(cues):
    clause = affect_clause(cues, max_words=100)
    assert named_cues(with_clause("a boat on the sea", clause)) == cues


@given(any_cues)
def test_a_clause_stays_within_its_words(cues):
    assert len(affect_clause(cues).split()) <= MAX_CLAUSE_WORDS


@given(any_cues, emotions, st.lists(st.tuples(any_cues, emotions), max_size=4))
@settings(max_examples=12)
def test_chosen_cues_are_never_expected_to_do_worse_than_what_is_there(cues, target, tried):
    evidence = Evidence.of(tried)
    costs = evidence.expected_best(target, best=1.5)
    chosen = choose_cues(cues, target, costs)
    assert costs[combination_of(chosen)] <= costs[combination_of(cues)]


@given(any_cues, emotions, st.lists(st.tuples(any_cues, emotions), max_size=3))
@settings(max_examples=5)
def test_what_may_be_won_is_what_sampling_says(cues, target, tried):
    evidence, best = Evidence.of(tried), 1.0
    index, table = combination_of(cues), combinations()
    columns = [0, *table.columns[index]]
    spread = np.sqrt(evidence.variance()[index] + CANDIDATE_SPREAD**2 + table.chance[index])
    felt = np.clip(table.effects[index] + evidence.mean[columns].sum(0), -3, 3)
    drawn = felt + spread * np.random.default_rng(0).standard_normal((20_000, 2))
    gaps = np.hypot(*(np.array([target.valence, target.arousal]) - drawn).T)
    sampled = np.minimum(gaps, best).mean()
    veil = 1 - np.prod([1 - level.veil for level in cues])
    named = sum(bool(level.phrases) for level in cues)
    cost = evidence.expected_best(target, best)[index]
    words = cost - (veil * best + (1 - veil) * sampled)
    assert -0.03 <= words <= NAMED_COST * best * named + 0.03


def test_one_lucky_reading_is_not_taken_for_the_best_gap():
    target, named = Emotion(-2, 0), tuple(levels[0] for levels in FAMILIES.values())
    tried = [(named, Emotion(0, 0))] * 3 + [(named, Emotion(-2, 0))]
    gap = Evidence.of(tried).best_gap(tried, target)
    assert NEAREST < gap < 2
    assert Evidence.of(tried).best_gap(tried, Emotion(-0.5, 0)) == NEAREST


def test_only_cues_that_hide_the_picture_are_veiled():
    mist = find_cue("weather", "mist")
    misty = combination_of((*NOTHING_NAMED[:3], mist, *NOTHING_NAMED[4:]))
    assert mist.veil > 0
    assert combinations().veil[misty] == pytest.approx(mist.veil)
    assert combinations().veil[combination_of(NOTHING_NAMED)] == 0


def test_a_neutral_target_asks_for_nothing():
    assert choose_cues(NOTHING_NAMED, Emotion(0, 0)) == NOTHING_NAMED


def test_what_is_left_to_chance_spreads_as_drawings_do():
    """The table's mean and variance against scenes drawn by lot."""
    random = np.random.default_rng(3)
    drawn = np.array([effect(map(find_cue, FAMILIES, sample_unnamed(random))) for _ in range(4000)])
    nothing = combination_of(NOTHING_NAMED)
    np.testing.assert_allclose(drawn.var(0), combinations().chance[nothing], rtol=0.12)
    np.testing.assert_allclose(drawn.mean(0), effect(NOTHING_NAMED), atol=0.06)
    named = combination_of(tuple(levels[0] for levels in FAMILIES.values()))
    assert not combinations().chance[named].any() and combinations().named[named] == 6


def test_what_was_read_often_outweighs_the_table():
    loud = tuple(max(family, key=lambda level: level.arousal) for family in FAMILIES.values())
    promised, read = 3.0, -1.0
    felt = [Evidence.of([(loud, Emotion(0, read))] * n).feeling(loud)[1] for n in (0, 1, 4, 400)]
    assert felt[0] == promised and felt == sorted(felt, reverse=True)
    assert felt[-1] == pytest.approx(read, abs=0.05)


def test_the_evidence_equals_regression_on_the_noise_covariance():
    """The same posterior in its other form: gain = prior X' (X prior X' + noise)^-1."""
    one, two = (
        (*NOTHING_NAMED[:n], FAMILIES[f][1], *NOTHING_NAMED[n + 1 :])
        for n, f in enumerate(FAMILIES)
        if n < 2
    )
    tried = [(one, Emotion(1, -1)), (one, Emotion(0.4, 0)), (two, Emotion(-2, 1))]
    before, after = Evidence.of(()), Evidence.of(tried)
    rows = np.stack(
        [[1.0, *(level in cues for f in OPTIONS.values() for level in f)] for cues, _ in tried]
    )
    promised = np.array([effect(cues) for cues, _ in tried])
    missing = np.array([[read.valence, read.arousal] for _, read in tried]) - promised
    prior = before.covariance
    chance = [combinations().chance[combination_of(cues)].mean() for cues, _ in tried]
    noise = READING_SPREAD**2 * np.eye(3) + np.diag(chance)
    gain = prior @ rows.T @ np.linalg.inv(rows @ prior @ rows.T + noise)
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
    assert not named_cues(answer.clause)[0].phrases
