"""The loop's proof: equal pictures for all, choices only by what a system read, honest verdicts."""

import json
from dataclasses import replace

import pytest

from emofeedback.records.emotion import Emotion
from emofeedback.records.request import (
    blind_request,
)
from emofeedback.study.systems import System
from emofeedback.study.trials import Move, Shot, Trial, final_gap, nearest_gap
from training.proof.loop import CLOSEST, proof_pairs
from training.proof.report import RIVALS, curve, difference_table
from training.proof.trials import SYSTEMS, run_trial
from training.world.scene import held_out


def trial(system: str, read_gaps: list[float], judged_gaps: list[float], *, seen=True) -> Trial:
    """A trial towards (3, 0) whose pictures lie on the valence axis, so many points away."""
    shots = tuple(
        Shot((3 - judged, 0.0), (3 - read, 0.0), 0.9, True, seen)
        for read, judged in zip(read_gaps, judged_gaps, strict=True)
    )
    chosen = tuple(min(range(n + 1), key=lambda i: read_gaps[i]) for n in range(len(read_gaps)))
    return Trial(
        system=system, prompt="a boat", target=(3.0, 0.0), shots=shots, chosen=chosen,
        prompts=("a boat",), moves=(Move("sky", "plain sky", "rainbow", 1.0, 0.5),), tokens=3,
        seconds=1.0,
    )  # fmt: skip


def test_every_rival_of_a_loop_gets_as_many_pictures():
    by_name = {system.name: system for system in SYSTEMS}
    for loop, rivals in RIVALS.items():
        assert {by_name[name].pictures for name in (loop, *rivals)} == {12}
        assert not any(by_name[name].emotion_input for name in (loop, *rivals))


def test_pairs_cover_the_plane_and_half_of_them_are_held_out():
    pairs = proof_pairs(60, 50_000)
    assert pairs == proof_pairs(60, 50_000)
    assert sum(held_out(p.scene.place, p.scene.subject) for p in pairs) == 30
    quadrants = [(p.target.valence > 0, p.target.arousal > 0) for p in pairs]
    assert all(quadrants.count(q) >= 12 for q in set(quadrants)) and len(set(quadrants)) == 4
    assert min(p.target.gap_from(Emotion(0, 0)).size for p in pairs) >= CLOSEST
    assert len({p.seed for p in pairs}) == 60


def test_the_result_is_the_picture_that_was_read_best_not_the_one_judged_best():
    one = trial("loop", [2.0, 0.5, 1.0], [1.8, 0.9, 0.1])
    assert final_gap(one) == pytest.approx(0.9)
    assert curve([one])[0].tolist() == pytest.approx([1.8, 0.9, 0.9])
    assert nearest_gap(one) == pytest.approx(0.1)


def test_a_loop_wins_only_against_both_rivals_and_with_the_content_kept():
    def verdict(loop_gap: float, rewritten_gap: float, *, seen: bool = True) -> bool:
        gaps = {}
        for loop, (plain, rewritten) in RIVALS.items():
            for name, gap in ((loop, loop_gap), (plain, 2.0), (rewritten, rewritten_gap)):
                made = [trial(name, [gap], [gap + 0.01 * k]) for k in range(8)]
                gaps[name] = made
            gaps[loop] = [trial(loop, [t.shots[0].judged[0]], [loop_gap], seen=seen) for t in made]
        return difference_table(gaps)[1]

    assert verdict(0.5, 1.0)
    assert not verdict(1.0, 0.5)
    assert not verdict(0.5, 1.0, seen=False)


def test_a_trial_survives_its_file():
    one = trial("loop", [2.0, 0.5], [1.8, 0.9])
    assert Trial.of_record(json.loads(json.dumps(one.record()))) == one


def test_a_blind_refiner_sees_grey_and_assumes_neutral():
    request = blind_request("a boat on the sea", Emotion(2, -1))
    assert request.images.std() == 0
    assert request.readings[0].emotion == Emotion(0, 0)
    assert request.history == ()


@pytest.mark.parametrize(("rewrite_first", "refine_rounds"), [(0, 1), (1, 0), (1, 1)])
def test_a_real_trial_makes_what_it_counts(rewrite_first, refine_rounds):
    pair = proof_pairs(1, 3)[0]
    system = System(
        name="x", rounds=2, candidates=2, refiner="rules",
        rewrite_first=bool(rewrite_first), refine_rounds=bool(refine_rounds),
    )  # fmt: skip
    made, chosen = run_trial(system, pair)
    assert len(made.shots) == len(made.chosen) == system.pictures == 4
    assert chosen.shape[-1] == 3 and chosen.min() >= 0 and chosen.max() <= 1
    assert made.tokens > 0 and made.seconds > 0
    assert all(prompt.startswith(pair.prompt) for prompt in made.prompts)
    assert (made.prompts[0] != pair.prompt) == rewrite_first
    assert refine_rounds or len(set(made.prompts)) == 1
    assert replace(made, seconds=0.0) == replace(run_trial(system, pair)[0], seconds=0.0)
