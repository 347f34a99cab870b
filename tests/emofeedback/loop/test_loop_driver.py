"""The driver: what an observer is told, what it may cut short, whose prompt each candidate gets."""

from dataclasses import dataclass, field

import torch

from emofeedback.loop.candidate_prompts import ONE_EACH, SEVERAL, refined_prompts
from emofeedback.loop.driver import rewrite_first_prompt, run_loop
from emofeedback.loop.observer import CutShort, Observer, Wish
from emofeedback.loop.progress import MAKING, READING, REWRITING
from emofeedback.loop.steps import record_scores, refine_request, start_loop
from emofeedback.reading.base import Scorer
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading
from emofeedback.records.refinement import Refinement
from emofeedback.records.request import RefineRequest
from emofeedback.records.state import LoopState
from emofeedback.refining.base import Refiner
from emofeedback.refining.rules import RuleRefiner

POLICY = LoopPolicy(rounds=3, candidates=2, tolerance=0)


@dataclass
class Watcher(Observer):
    """Notes what it is told; wishes come by round, early ones while pictures are made."""

    wishes: dict[int, Wish] = field(default_factory=dict)
    notes: list[tuple[int, str]] = field(default_factory=list)
    looks: int = 0

    def told(self, state: LoopState, doing: str = "") -> None:
        self.notes.append((state.coming_round, doing))

    def cut_wanted(self, state: LoopState, *, last: bool = False) -> Wish:
        self.looks += last
        return self.wishes.get(state.coming_round, "")


class Grey(Scorer):
    """Reads the same from every picture."""

    name = "grey"

    def score(self, images: torch.Tensor, *, prompt: str | None = None) -> list[Reading]:
        return [Reading(emotion=Emotion(0, 0)) for _ in images]


def pictures(prompts: object, seed: int) -> torch.Tensor:
    return torch.full((2, 8, 8, 3), 0.5)


def begun() -> LoopState:
    return start_loop("a boat", Emotion(2, 1), POLICY)


def finished(watcher: Watcher, generate=pictures) -> LoopState:
    *_, state = run_loop(generate, Grey(), RuleRefiner(), begun(), observer=watcher)
    return state


def test_an_observer_hears_every_phase_in_its_round_and_looks_last_before_a_reading() -> None:
    watcher = Watcher()
    rewrite_first_prompt(begun(), RuleRefiner(), watcher)
    finished(watcher)
    phases = [note for note in watcher.notes if note[1]]
    first, *later = phases
    assert first == (1, REWRITING)
    assert [number for number, doing in later if doing == MAKING] == [1, 2, 3]
    assert [doing for _, doing in later] == [*[MAKING, READING, REWRITING] * 2, MAKING, READING]
    assert watcher.looks == 3


def test_a_round_may_be_thrown_away_and_the_best_be_taken() -> None:
    state = finished(Watcher({2: "skip"}))
    assert [record.number for record in state.skipped] == [2]
    assert [record.number for record in state.rounds] == [1, 3]
    assert state.skipped[0].pictures == 2
    state = finished(Watcher({2: "accept"}))
    assert (state.stop_reason, len(state.rounds), state.skipped) == ("accepted", 1, ())


def test_a_generator_that_stops_on_its_way_has_cost_no_picture() -> None:
    def stops(prompts: object, seed: int) -> torch.Tensor:
        if seed == 0:
            raise CutShort
        return pictures(prompts, seed)

    state = finished(Watcher(), stops)
    assert [(record.number, record.pictures) for record in state.skipped] == [(1, 0)]
    assert state.stop_reason == "rounds" and len(state.rounds) == 2


class SeveralAtOnce(Refiner):
    """A refiner that can be asked for many prompts, and has two ideas."""

    name = "several"
    several = True

    def __init__(self) -> None:
        self.asked: list[int] = []

    def refine(self, request: RefineRequest) -> Refinement:
        return Refinement(prompt=f"{request.prompt}, mist", seconds=1, tokens=4)

    def refine_several(self, request: RefineRequest, count: int) -> list[Refinement]:
        self.asked.append(count)
        prompts = [f"{request.artist_prompt}, {clause}" for clause in ("mist", "dawn")]
        return [Refinement(prompt=prompt, tokens=9) for prompt in prompts]


def scored() -> LoopState:
    readings = [Reading(emotion=Emotion(v, 0)) for v in (0, 1, 2)]
    started = start_loop("a boat", Emotion(1, 1), LoopPolicy(rounds=2, candidates=3))
    return record_scores(started, torch.rand(3, 8, 8, 3), readings)


def test_several_rewrites_at_once_are_shared_out_to_the_candidates() -> None:
    refiner, request = SeveralAtOnce(), refine_request(scored())
    prompts, recorded = refined_prompts(SEVERAL, refiner, request, ("a boat",) * 3)
    assert prompts == ("a boat, mist", "a boat, dawn", "a boat, mist")
    assert (refiner.asked, recorded.tokens) == ([3], 9)


def test_one_each_rewrites_every_candidates_own_prompt_and_counts_all() -> None:
    request, asked = refine_request(scored()), []
    own = ("a boat, fog", "a boat, sun", "a boat, rain")
    prompts, recorded = refined_prompts(
        ONE_EACH, SeveralAtOnce(), request, own, tick=lambda: asked.append(1)
    )
    assert prompts == tuple(f"{prompt}, mist" for prompt in own)
    assert recorded.prompt == prompts[request.best]
    assert (recorded.seconds, recorded.tokens, len(asked)) == (3, 12, 3)
