"""What the loop promises, on pictures whose brightness is their valence."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.errors import ConfigError, LoopError
from emofeedback.images import from_png, to_png
from emofeedback.loop.driver import run_loop
from emofeedback.loop.ranking import rank_readings
from emofeedback.loop.report import loop_report
from emofeedback.loop.steps import (
    record_refinement,
    record_scores,
    refine_request,
    rewritten_for_target,
    round_seed,
    start_loop,
)
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import POLICIES, LoopPolicy
from emofeedback.records.reading import Reading
from emofeedback.records.refinement import Refinement
from emofeedback.refining.rules import RuleRefiner

TARGET = Emotion(2.0, 0.0)


def picture(valence: float) -> torch.Tensor:
    return torch.full((8, 8, 3), (valence + 3) / 6)


def reading(valence: float, **known) -> Reading:
    return Reading(emotion=Emotion(valence, 0.0), **known)


def scored(state, *valences, **known):
    images = torch.stack([picture(valence) for valence in valences])
    return record_scores(state, images, [reading(v) for v in valences], **known)


class BrightnessScorer:
    """Reads brightness as valence: slow to say, but a real measurement of real pixels."""

    name = "brightness"

    def score(self, images, *, prompt=None):
        return [reading(float(image.mean()) * 6 - 3, tokens=2) for image in images]

    explain = score


def test_a_loop_may_begin_with_a_prompt_rewritten_for_its_target():
    plain = start_loop("a boat", TARGET)
    state = rewritten_for_target(plain, RuleRefiner())
    assert state.prompt == state.first_refinement.prompt != "a boat" == state.artist_prompt
    assert state.digest != plain.digest
    state = scored(state, 1.0)
    assert state.rounds[0].prompt == state.prompt
    assert refine_request(state).artist_prompt == "a boat"
    spent = dataclasses.replace(state.first_refinement, tokens=11, seconds=2.0, warnings=("why",))
    report = loop_report(dataclasses.replace(state, first_refinement=spent))
    assert (report["cost"]["tokens"], report["cost"]["refine_seconds"]) == (11, 2.0)
    assert report["first_refinement"]["prompt"] == report["rounds"][0]["prompt"]
    assert report["warnings"] == ["why"]
    with pytest.raises(LoopError, match="has begun"):
        rewritten_for_target(state, RuleRefiner())


@given(st.lists(st.lists(st.floats(-3, 3), min_size=1, max_size=3), min_size=1, max_size=4))
@settings(deadline=None, max_examples=40)
def test_a_history_never_loses_its_best(rounds):
    state = start_loop("a boat", TARGET, LoopPolicy(rounds=9, tolerance=0))
    for valences in rounds:
        state = scored(state, *valences)
        seen = [abs(2 - v) for done in rounds[: len(state.rounds)] for v in done]
        assert state.best.gap.size == pytest.approx(min(seen))


def test_the_best_keeps_its_place_when_a_later_round_only_equals_it():
    state = scored(scored(start_loop("a boat", TARGET), 0.5, 1.0), 1.0)
    assert (state.best.round_index, state.best.candidate) == (0, 1)


@pytest.mark.parametrize(
    ("policy", "rounds", "reason"),
    [
        (LoopPolicy(rounds=2), [(0.0,), (1.0,)], "rounds"),
        (LoopPolicy(rounds=9, tolerance=0.3), [(0.0,), (1.8,)], "tolerance"),
        (LoopPolicy(rounds=9, patience=2), [(0.0,), (-1.0,), (-2.0,)], "patience"),
        (LoopPolicy(rounds=9, time_budget_s=5), [(0.0,), (0.1,)], "time budget"),
    ],
)
def test_the_loop_says_why_it_stops_and_then_takes_no_more(policy, rounds, reason):
    state = start_loop("a boat", TARGET, policy)
    for valences in rounds:
        assert not state.done
        state = scored(state, *valences, generate_seconds=3.0)
    assert state.stop_reason == reason
    with pytest.raises(LoopError, match=reason):
        scored(state, 0.0)


def test_the_time_budget_pays_for_the_first_rewriting_too():
    state = start_loop("a boat", TARGET, LoopPolicy(rounds=9, time_budget_s=5))
    state = dataclasses.replace(state, first_refinement=Refinement(prompt="a boat", seconds=3.0))
    assert scored(state, 0.0, generate_seconds=1.0).stop_reason == ""
    assert scored(state, 0.0, generate_seconds=2.0).stop_reason == "time budget"


def test_a_candidate_below_the_content_floor_is_best_only_if_all_are():
    low, high = reading(2.0, content=0.2), reading(0.0, content=0.8)
    assert rank_readings([low, high], TARGET, content_floor=0.5) == [1, 0]
    assert rank_readings([low, high], TARGET) == [0, 1]
    assert rank_readings([low, reading(1.0)], TARGET, content_floor=0.5) == [1, 0]
    lower = reading(2.0, content=0.1)
    assert rank_readings([lower, low], TARGET, content_floor=0.5) == [1, 0]


def test_seed_policies_derive_each_rounds_seed():
    for policy, seeds in (("per round", [7, 8, 9]), ("fixed", [7, 7, 7])):
        state = start_loop("a boat", TARGET, LoopPolicy(rounds=4, seed_policy=policy), seed=7)
        found = []
        for _ in range(3):
            found.append(round_seed(state))
            state = scored(state, 0.0)
        assert found == seeds


def test_equal_histories_are_equal_and_any_difference_shows_in_the_digest():
    one, two = (scored(start_loop("a boat", TARGET), 0.5, score_seconds=s) for s in (1.0, 2.0))
    assert one == two and hash(one) == hash(two)
    others = [
        scored(start_loop("a dog", TARGET), 0.5),
        scored(start_loop("a boat", Emotion(1, 0)), 0.5),
        scored(start_loop("a boat", TARGET, seed=1), 0.5),
        scored(start_loop("a boat", TARGET), 0.6),
        record_refinement(one, Refinement(prompt="a boat, in the rain")),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 6
    assert set(one) == {"digest", "round", "done"}


def test_refining_asks_about_the_last_round_and_sets_the_next_prompt_once():
    state = scored(start_loop("a boat", TARGET), -1.0, 0.0)
    request = refine_request(state)
    assert request.best == 1 and request.images.shape == (2, 8, 8, 3)
    refined = record_refinement(state, RuleRefiner().refine(request))
    assert refined.prompt.startswith("a boat, ") and refined.artist_prompt == "a boat"
    with pytest.raises(LoopError, match="Round 1 was refined already"):
        record_refinement(refined, Refinement(prompt="a boat"))


def test_a_refiner_that_is_obeyed_brings_the_measured_gap_down_and_best_of_n_does_not():
    """The generator obeys the clause's length, so only a loop that refines can reach 2."""

    def generate(prompts, seed):
        return torch.stack([picture(min(prompt.count(",") * 1.0, 2.0)) for prompt in prompts])

    gaps = {}
    for name, refiner in (("loop", RuleRefiner()), ("best of n", None)):
        *_, state = run_loop(generate, BrightnessScorer(), refiner, start_loop("a boat", TARGET))
        gaps[name] = state.best.gap.size
    assert gaps["loop"] < 0.1 < gaps["best of n"]


def test_the_report_counts_what_was_spent_and_names_the_best():
    state = start_loop("a boat", TARGET, LoopPolicy(rounds=2, tolerance=0))
    *_, state = run_loop(
        lambda prompts, seed: torch.stack([picture(0.1 * seed)] * len(prompts)),
        BrightnessScorer(),
        RuleRefiner(),
        state,
        steps_per_picture=20,
    )
    report = loop_report(state)
    assert {"prompt", "target", "rounds", "best", "stop_reason", "cost"} <= set(report)
    assert report["cost"]["pictures"] == 8 and report["cost"]["steps"] == 160
    assert report["cost"]["tokens"] == sum(r["tokens"] for r in report["rounds"]) > 0
    assert report["best"]["round"] == 2 and report["best"]["gap"]["size"] == state.best.gap.size


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rounds": 0}, "rounds is 0"),
        ({"candidates": 0}, "candidates is 0"),
        ({"rounds": 10_000}, "rounds is 10000"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"content_floor": 1.5}, "content_floor is 1.5"),
        ({"seed_policy": "random"}, "'random'.*per round"),
    ],
)
def test_a_bad_policy_is_refused_by_name_and_value(change, text):
    with pytest.raises(ConfigError, match=text):
        LoopPolicy(**change)


def test_the_papers_policy_is_three_rounds_of_eight():
    assert dataclasses.astuple(POLICIES["paper"])[:2] == (3, 8)


@pytest.mark.parametrize("prompt", ["", "   ", None])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(ConfigError, match="nothing to picture"):
        start_loop(prompt, TARGET)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_pictures_survive_the_history_to_eight_bits(seed):
    image = torch.rand(9, 13, 3, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(from_png(to_png(image)), image, atol=0.5 / 255 + 1e-6, rtol=0)


@pytest.mark.parametrize("prompt", ["", " \n", None, 7, "a boat \ud800"])
def test_a_prompt_that_no_encoder_takes_is_named_at_once(prompt):
    with pytest.raises(ConfigError, match="The prompt is|half of a character at place 8"):
        start_loop(prompt, TARGET)
