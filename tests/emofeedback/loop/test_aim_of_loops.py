"""What a loop hands to the body: nothing new by words, a corrected aim else, one gap for both."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from emofeedback.loop.driver import run_loop
from emofeedback.loop.report import loop_report
from emofeedback.loop.steering import first_request
from emofeedback.loop.steps import record_refinement, record_scores, refine_request, start_loop
from emofeedback.reading.base import Scorer
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading
from emofeedback.records.refinement import Refinement
from emofeedback.records.state import LoopState
from emofeedback.refining.cues import NOTHING_NAMED, named_cues
from emofeedback.refining.evidence import AIM_GAIN, Evidence, Tried
from emofeedback.refining.rules import RuleRefiner, prompt_costs, tried_in

TARGET = Emotion(2, -1)
BIAS = 0.6


class Body(Scorer):
    """Makes pictures of a brightness that says what they feel like: the aim, less a bias."""

    name = "body"

    def __init__(self) -> None:
        self.aims: list[Emotion] = []

    def take_aim(self, aim: Emotion) -> None:
        self.aims.append(aim)

    def generate(self, prompts: object, seed: int) -> torch.Tensor:
        felt = self.aims[-1].valence - BIAS if self.aims else 0.0
        return torch.full((2, 8, 8, 3), (felt + 3) / 6)

    def score(self, images: torch.Tensor, *, prompt: str | None = None) -> list[Reading]:
        return [
            Reading(emotion=Emotion(float(image.mean()) * 6 - 3, -1), uncertainty=(0.4, 0.4))
            for image in images
        ]


def begun(steer: str, rounds: int = 3) -> LoopState:
    policy = LoopPolicy(rounds=rounds, candidates=2, tolerance=0, steer=steer)
    return start_loop("a boat", TARGET, policy)


def scored(state: LoopState, *valences: float) -> LoopState:
    read = [Reading(emotion=Emotion(v, -1), uncertainty=(0.4, 0.4)) for v in valences]
    return record_scores(state, torch.rand(len(read), 8, 8, 3), read)


def test_by_the_aim_the_words_stay_and_the_bias_of_the_body_is_undone():
    body, state = Body(), begun("aim", rounds=6)
    *_, state = run_loop(body.generate, body, RuleRefiner(), state, take_aim=body.take_aim)
    assert body.aims[0] == TARGET
    assert [record.aim for record in state.rounds] == body.aims
    assert {record.prompt for record in state.rounds} == {"a boat"}
    assert state.rounds[-1].gap.size < 0.05 < BIAS - 0.05 < state.rounds[0].gap.size
    told = json.loads(json.dumps(loop_report(state)))
    assert told["rounds"][1]["aim"]["valence"] == pytest.approx(body.aims[1].valence)


@pytest.mark.parametrize("steer", ["aim", "both"])
def test_where_nothing_takes_the_aim_the_loop_steers_by_words_and_says_so(steer):
    body = Body()
    *_, state = run_loop(body.generate, body, RuleRefiner(), begun(steer))
    *_, plain = run_loop(body.generate, body, RuleRefiner(), begun("words"))
    assert [r.prompt for r in state.rounds] == [r.prompt for r in plain.rounds]
    assert [record.aim for record in state.rounds] == [None] * 3
    assert "steers by words" in " ".join(loop_report(state)["warnings"])
    assert loop_report(plain)["warnings"] == []


def test_by_words_nothing_is_corrected_and_the_evidence_is_what_it_was():
    state = scored(begun("words"), 0.0, 1.0)
    assert (state.corrected, state.aim, state.rounds[0].aim) == (None, TARGET, None)
    pairs = [(NOTHING_NAMED, Emotion(0, 1)), (named_cues("a boat, under a dark storm sky"), TARGET)]
    plain = Evidence.of(pairs)
    assert plain.mean.shape[1] == 2
    assert len(plain.mean) == len(plain.covariance) == len(Evidence.of(()).mean)
    request = refine_request(state)
    assert np.array_equal(prompt_costs(request), prompt_costs(dataclasses.replace(request)))


def test_the_gain_of_the_aim_is_learnt():
    weak, strong = (
        Evidence.of(
            Tried(NOTHING_NAMED, Emotion(gain * v, gain * a), Emotion(v, a))
            for v in (-2, 0, 2)
            for a in (-2, 0, 2)
        ).gain
        for gain in (0.4, 1.1)
    )
    assert max(weak) < AIM_GAIN - 0.2
    assert min(strong) > AIM_GAIN + 0.15


def test_words_and_aim_close_one_gap_between_them():
    state = scored(begun("both"), 0.8, 1.0)
    alone = state.aim  # of the words as they stand: the aim closes all of it
    evidence = Evidence.of(tried_in(state.rounds))
    left = TARGET.gap_from(Emotion(*evidence.feeling(named_cues("a boat"), TARGET)))
    assert alone.valence > TARGET.valence
    refined = record_refinement(state, RuleRefiner().refine(refine_request(state)))
    cues = named_cues(refined.prompt)
    shared = TARGET.gap_from(Emotion(*evidence.feeling(cues, TARGET)))
    assert shared.size < left.size
    assert abs(refined.aim.valence - TARGET.valence) < abs(alone.valence - TARGET.valence)
    expected = Emotion(*evidence.feeling(cues, refined.aim))
    assert TARGET.gap_from(expected).size <= shared.size + 1e-9


def test_before_a_picture_the_words_leave_the_aim_its_share():
    request = first_request(begun("both"))
    assert request.aim == TARGET
    assert request.readings[0].emotion.valence == pytest.approx(AIM_GAIN * TARGET.valence, abs=0.3)
    alone = first_request(begun("words"))
    assert alone.aim is None
    strong, weak = (
        Evidence.of(()).feeling(named_cues(RuleRefiner().refine(each).prompt))[0]
        for each in (alone, request)
    )
    assert weak < strong


def test_a_refinement_never_asked_for_leaves_no_trace():
    state = scored(begun("both"), 0.2, 0.4)
    again = record_refinement(state, Refinement(prompt=state.prompt))
    assert again.aim == state.aim
