"""Accepting and skipping: the loop always ends with a picture, and every round is accounted for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.errors import LoopError
from emofeedback.loop.cost import loop_cost
from emofeedback.loop.report import loop_report
from emofeedback.loop.steps import (
    accept_best,
    may_skip,
    record_scores,
    round_seed,
    skip_round,
    start_loop,
)
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading
from emofeedback.records.state import LoopState

ROUNDS = 5


def start(**policy) -> LoopState:
    return start_loop("a boat", Emotion(2, 0), LoopPolicy(rounds=ROUNDS, tolerance=0, **policy))


def read(state: LoopState) -> LoopState:
    images = torch.full((2, 8, 8, 3), 0.5)
    readings = [Reading(emotion=Emotion(v, 0)) for v in (0, 1)]
    return record_scores(state, images, readings, generate_seconds=1, steps=4)


@given(
    st.lists(st.booleans(), min_size=ROUNDS, max_size=ROUNDS),
    st.sampled_from(["fixed", "per round"]),
)
@settings(deadline=None, max_examples=40)
def test_whatever_is_skipped_the_loop_ends_with_a_picture(skips: list[bool], policy: str) -> None:
    state, seeds = start(seed_policy=policy), []
    for skip in skips:
        seeds.append((round_seed(state), skip))
        if skip and may_skip(state):
            state = skip_round(state, pictures=2, generate_seconds=1, steps=4)
            assert state.just_skipped
        else:
            state = read(state)
            assert not state.just_skipped
    assert state.stop_reason == "rounds"
    assert state.best is not None
    numbers = [r.number for r in state.rounds] + [r.number for r in state.skipped]
    assert sorted(numbers) == list(range(1, ROUNDS + 1))
    cost = loop_cost(state)
    assert (cost["pictures"], cost["steps"], cost["seconds"]) == (2 * ROUNDS, 4 * ROUNDS, ROUNDS)
    assert len(loop_report(state)["skipped"]) == len(state.skipped)


@pytest.mark.parametrize("policy", ["fixed", "per round"])
def test_skipped_pictures_do_not_come_back(policy: str) -> None:
    state = start(seed_policy=policy)
    skipped = skip_round(state)
    assert round_seed(skipped) != round_seed(state)
    assert skipped.digest != state.digest


def test_a_skipped_round_neither_tries_patience_nor_is_refined() -> None:
    state = skip_round(read(start(patience=1)))
    assert not state.done


def test_the_only_round_of_a_loop_cannot_be_skipped() -> None:
    state = start_loop("a boat", Emotion(2, 0), LoopPolicy(rounds=1))
    assert not may_skip(state)
    with pytest.raises(LoopError, match="without a picture"):
        skip_round(state)


def test_time_spent_on_skipped_rounds_counts_against_the_budget() -> None:
    state = skip_round(read(start(time_budget_s=10)), generate_seconds=20)
    assert state.stop_reason == "time budget"


def test_accepting_keeps_the_best_and_ends_the_loop() -> None:
    state = accept_best(read(start()))
    assert state.stop_reason == "accepted"
    assert state.best is not None and state.best.candidate == 1
    with pytest.raises(LoopError, match="accepted"):
        read(state)
    with pytest.raises(LoopError, match="has stopped"):
        accept_best(state)


def test_there_is_nothing_to_accept_before_the_first_reading() -> None:
    with pytest.raises(LoopError, match="no picture was read"):
        accept_best(start())
