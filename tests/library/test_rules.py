import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.cues import FAMILIES
from emofeedback.emotion import Emotion, Gap
from emofeedback.refining import RefineRequest, with_clause
from emofeedback.rules import (
    MAX_CLAUSE_WORDS,
    RuleRefiner,
    affect_clause,
    choose_cues,
    named_cues,
)
from emofeedback.scoring import Reading

NEUTRAL = tuple(family[0] for family in FAMILIES.values())
any_cues = st.tuples(*(st.sampled_from(family) for family in FAMILIES.values()))


def effect(cues):
    return sum(c.valence for c in cues), sum(c.arousal for c in cues)


@given(any_cues)
def test_a_clause_names_the_cues_it_was_made_of(cues):
    clause = affect_clause(cues, max_words=100)
    assert named_cues(with_clause("a boat on the sea", clause)) == cues


@given(any_cues)
def test_a_clause_stays_within_its_words(cues):
    assert len(affect_clause(cues).split()) <= MAX_CLAUSE_WORDS


@given(any_cues, st.floats(-4, 4), st.floats(-4, 4))
@settings(deadline=None)
def test_chosen_cues_never_leave_a_larger_gap_than_before(cues, v, a):
    before, after = effect(cues), effect(choose_cues(cues, Gap(v, a)))
    remaining = math.hypot(v - (after[0] - before[0]), a - (after[1] - before[1]))
    named = sum(bool(level.phrases) for level in cues)
    assert remaining <= math.hypot(v, a) + 0.12 * named + 1e-9


def test_no_gap_asks_for_nothing():
    assert choose_cues(NEUTRAL, Gap(0, 0)) == NEUTRAL


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
