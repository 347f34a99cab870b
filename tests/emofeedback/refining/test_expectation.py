"""What another round is worth: a promising prompt is, luck and what is known by heart are not."""

import dataclasses

import torch

from emofeedback.loop.candidate_prompts import UNSURE, refined_prompts
from emofeedback.loop.driver import run_loop
from emofeedback.loop.steps import start_loop
from emofeedback.loop.stopping import UNPROMISING
from emofeedback.reading.base import Scorer
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading
from emofeedback.records.request import RefineRequest
from emofeedback.refining.cues import NOTHING_NAMED
from emofeedback.refining.evidence import Evidence, Tried
from emofeedback.refining.expectation import WORTH, expected_gain
from emofeedback.refining.rules import RuleRefiner, choose_cues

TARGET = Emotion(2, -1)
NEAR = choose_cues(NOTHING_NAMED, TARGET)


def gain(tried, cues, best=None, target=TARGET):
    best = best or min(tried, key=lambda each: target.gap_from(each.read).size)
    return expected_gain(Evidence.of(tried), best, [cues] * 4, target)


def test_a_round_is_worth_what_its_prompt_may_bring():
    neutral = [Tried(NOTHING_NAMED, Emotion(0.2, 0.1))] * 4
    known = [Tried(NEAR, Emotion(1.9, -0.9))] * 12
    assert gain(neutral, NEAR) > 1 > gain(neutral, NOTHING_NAMED)
    assert gain(known, NEAR) < WORTH
    assert gain(known, NOTHING_NAMED) < WORTH
    assert gain(neutral, NEAR) == gain(neutral, NEAR)


def test_nothing_is_chosen_over_a_reading_on_the_target_be_it_luck_or_not():
    lucky = Tried(NEAR, TARGET)
    tried = [Tried(NEAR, Emotion(0.8, -1))] * 7 + [lucky]
    other = choose_cues(NOTHING_NAMED, Emotion(2.8, -1))
    assert gain(tried, other, lucky) == 0
    assert gain(tried, other, tried[0]) > WORTH


class Same(Scorer):
    """Reads one feeling from every picture."""

    name = "same"

    def __init__(self, felt: Emotion) -> None:
        self.felt = felt

    def score(self, images: torch.Tensor, *, prompt: str | None = None) -> list[Reading]:
        return [Reading(emotion=self.felt, uncertainty=(0.3, 0.3), content=0.4) for _ in images]


def pictures(prompts: object, seed: int) -> torch.Tensor:
    return torch.full((4, 8, 8, 3), 0.5)


def test_a_loop_ends_where_nothing_better_is_expected_and_only_if_it_may():
    policy = LoopPolicy(rounds=9, candidates=4, tolerance=0)
    for may, rounds in ((False, 9), (True, 2)):
        state = start_loop("a boat", TARGET, dataclasses.replace(policy, stop_unpromising=may))
        *_, state = run_loop(pictures, Same(Emotion(1.9, -1)), None, state)
        assert len(state.rounds) <= rounds
        assert state.stop_reason == (UNPROMISING if may else "rounds")
    hidden = dataclasses.replace(policy, rounds=3, stop_unpromising=True, content_floor=0.5)
    *_, state = run_loop(
        pictures, Same(Emotion(1.9, -1)), None, start_loop("a boat", TARGET, hidden)
    )
    assert state.stop_reason == "rounds"  # a picture with more content would win


def test_two_prompts_share_a_round_only_where_it_is_not_clear_which_is_right():
    def asked(read: Emotion, prompt: str, count: int) -> tuple[str, ...]:
        request = RefineRequest(
            artist_prompt="a boat",
            prompt=prompt,
            images=torch.zeros(count, 8, 8, 3),
            readings=(Reading(emotion=read),) * count,
            target=TARGET,
            best=0,
        )
        prompts, refinement = refined_prompts(UNSURE, RuleRefiner(), request, (prompt,) * 4)
        assert prompts[0] == refinement.prompt == RuleRefiner().refine(request).prompt
        return prompts

    written = (
        RuleRefiner()
        .refine(
            RefineRequest(
                artist_prompt="a boat",
                prompt="a boat",
                images=torch.zeros(1, 8, 8, 3),
                readings=(Reading(emotion=Emotion(0, 0)),),
                target=TARGET,
                best=0,
            )
        )
        .prompt
    )
    assert len(set(asked(Emotion(0, 0), "a boat", 1))) == 2
    assert len(set(asked(TARGET, written, 20))) == 1
