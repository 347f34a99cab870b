"""What limits the loop: oracles take what nobody knows, and nothing else changes."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from emofeedback.records.emotion import Emotion
from emofeedback.records.refinement import Refinement
from emofeedback.records.request import RefineRequest, blind_request
from emofeedback.refining.base import Refiner
from emofeedback.study.trials import Judged
from training.proof import oracles
from training.proof.loop import proof_pairs
from training.proof.oracles import (
    LIMITS,
    ORACLES,
    SEED,
    TRIED,
    KnowingPainter,
    KnowingRefiner,
    aims_about,
)
from training.proof.trials import SYSTEMS, run_trial


def look(images: Tensor) -> list[Judged]:
    """Brighter pictures are more pleasant."""
    return [Judged(float(image.mean()) * 6 - 3, 0.0) for image in images]


class Thinks(Refiner):
    """Of some prompts, of which it likes the first."""

    name = "thinks"

    def __init__(self, prompts: Sequence[str]) -> None:
        self.prompts = prompts

    def ranked(self, request: RefineRequest) -> list[Refinement]:
        return [Refinement(prompt=prompt, tokens=7) for prompt in self.prompts]

    def refine(self, request: RefineRequest) -> Refinement:
        return self.ranked(request)[0]


@pytest.mark.parametrize(
    ("prompts", "wanted"),
    [
        (("a 1", "a 9", "a 8"), "a 8"),
        (("a 1", "a 9"), "a 6"),  # the words as they stand
        (("a 1", "a 2", "a 3", "a 4", "a 7"), "a 6"),  # only so many are looked at
    ],
)
def test_a_refiner_that_knows_takes_the_prompt_whose_pictures_come_nearest(prompts, wanted):
    seeds: set[int] = set()

    def paint(asked: Sequence[str], seed: int) -> Tensor:
        seeds.add(seed)
        return torch.stack([torch.full((4, 4, 3), int(prompt[-1]) / 10) for prompt in asked])

    assert TRIED == 4
    request = blind_request("a 6", Emotion(1.5, 0))  # of brightness 0.75
    made = KnowingRefiner(Thinks(prompts), paint, look).refine(request)
    assert (made.prompt, made.tokens, seeds) == (wanted, 7, {SEED})


def test_a_painter_that_knows_looks_about_the_target_once_and_hears_no_aim(monkeypatch):
    monkeypatch.setattr(oracles, "EACH", 1)
    target = Emotion(2.5, -1)
    aims = aims_about(target)
    assert aims[0] == (2.5, -1) and len(aims) == 9 and max(v for v, _ in aims) == 3
    seen = []

    def felt(images: Tensor) -> list[Judged]:
        seen.append(1)
        return [Judged(0.1 * len(seen), -1.0)] * len(images)

    paint = KnowingPainter(target, steps=1, look=felt)
    paint.take_aim(Emotion(-3, 3))
    assert paint(["a boat"], 1).shape[0] == 1 and paint.felt == aims[-1]
    paint(["a boat"], 1)
    assert len(seen) == 9


def test_each_oracle_is_a_system_of_the_proof_but_for_one_part(monkeypatch):
    monkeypatch.setattr(oracles, "EACH", 1)
    monkeypatch.setattr(oracles, "TRIED", 1)
    names = {system.name for system in SYSTEMS}
    assert {limited for _, limited in LIMITS} <= names
    assert {system.oracle for system in ORACLES} == {"reader", "refiner", "aim"}
    assert not any(system.oracle for system in SYSTEMS)
    pair = proof_pairs(1, 3)[0]
    rules = next(s for s in ORACLES if s.oracle == "refiner" and s.refiner == "rules")
    made, _ = run_trial(replace(rules, rounds=2, candidates=1), pair)
    assert len(made.shots) == 2 and made.prompts[0].startswith(pair.prompt)
