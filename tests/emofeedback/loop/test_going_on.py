"""Loops that are gone on from, and the artist's choice: what follows, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from emofeedback.errors import ConfigError, LoopError
from emofeedback.images import from_png, to_png
from emofeedback.loop.choice import chosen_of, prefer
from emofeedback.loop.driver import run_loop
from emofeedback.loop.ended import EndedLoops
from emofeedback.loop.going_on import Resume, resumed_loop
from emofeedback.loop.observer import Observer
from emofeedback.loop.report import loop_report
from emofeedback.loop.steps import record_refinement, skip_round, start_loop
from emofeedback.reading.base import Scorer
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading
from emofeedback.records.refinement import Refinement
from emofeedback.records.request import RefineRequest
from emofeedback.records.state import Chosen, LoopState
from emofeedback.refining.base import Refiner

RUN = "0123456789abcdef" * 2
TARGET = Emotion(1.0, 1.0)


class Brightness(Scorer):
    """Brighter is more pleasant."""

    name = "brightness"

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        return [Reading(emotion=Emotion(float(each.mean()) * 6 - 3, 1.0)) for each in images]

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        return self.score(images)


class Counting(Refiner):
    """Says what it was asked about."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[RefineRequest] = []

    def refine(self, request: RefineRequest) -> Refinement:
        self.asked.append(request)
        return Refinement(prompt=f"{request.artist_prompt}, {len(self.asked)}", refiner="counting")


class Drawing:
    """Even grey pictures, which differ by prompt, seed and candidate."""

    def __init__(self) -> None:
        self.drawn: list[tuple[str, int]] = []

    def __call__(self, prompts: tuple[str, ...], seed: int) -> Tensor:
        self.drawn += [(prompt, seed) for prompt in prompts]
        levels = [((seed * 7 + 3 * place) % 10) / 20 for place in range(len(prompts))]
        return torch.stack([torch.full((16, 16, 3), level) for level in levels])


class Clicking(Observer):
    """An artist who prefers a candidate as soon as it is read."""

    def __init__(self, choice: Chosen) -> None:
        self._choice = choice

    def choice(self, state: LoopState) -> Chosen | None:
        read = any(record.number == self._choice.round for record in state.rounds)
        return self._choice if read else None


def policy(rounds: int, **more: float) -> LoopPolicy:
    return LoopPolicy(rounds=rounds, candidates=2, **{"tolerance": 0.0, **more})


def ended(rounds: int = 2, observer: Observer | None = None) -> LoopState:
    begun = start_loop("a boat", TARGET, policy(rounds), seed=5)
    *_, state = run_loop(
        Drawing(), Brightness(), Counting(), begun, observer=observer or Observer()
    )
    return state


def gone_on(
    state: LoopState, choice: Chosen | None, more: int, wanted: LoopPolicy
) -> tuple[LoopState, Drawing, Counting]:
    drawing, refiner = Drawing(), Counting()
    begun = resumed_loop(state, Resume(RUN, choice, more), wanted)
    first, *_, state = run_loop(drawing, Brightness(), refiner, begun)
    assert first.just_resumed and not state.just_resumed
    return state, drawing, refiner


def test_a_loop_goes_on_after_its_end_and_draws_only_what_is_new() -> None:
    before = ended()
    state, drawing, refiner = gone_on(before, None, 2, policy(1))
    assert [record.number for record in state.rounds] == [1, 2, 3, 4]
    assert len(drawing.drawn) == 2 * 2 and {seed for _, seed in drawing.drawn} == {7, 8}
    assert refiner.asked[0].prompt == before.rounds[1].prompt  # rewritten as it would have been
    assert [record.images for record in state.rounds[:2]] == [r.images for r in before.rounds]
    report = loop_report(state)
    assert report["resumed"] == {"run": RUN, "after_round": 2}
    assert report["cost"]["pictures"] == 8 and state.stop_reason == "rounds"


def test_tolerance_and_patience_count_from_where_a_loop_goes_on() -> None:
    before = ended()
    assert before.best is not None
    reached = policy(1, tolerance=before.best.gap.size + 0.1)
    assert gone_on(before, None, 3, reached)[0].coming_round == 6
    far = policy(1, tolerance=0.0, patience=2)
    state, *_ = gone_on(before, None, 9, far)
    assert state.stop_reason in ("patience", "rounds") and len(state.rounds) >= 4


def test_a_loop_goes_on_from_the_candidate_that_is_named() -> None:
    before = ended()
    state, _, refiner = gone_on(before, Chosen(1, 2), 1, policy(1))
    asked = refiner.asked[0]
    assert asked.prompt == before.rounds[0].prompts[1] and asked.best == 1
    assert asked.readings == before.rounds[0].readings
    assert chosen_of(state) == Chosen(1, 2) and state.best_image == before.rounds[0].images[1]
    report = loop_report(state)
    assert report["best"]["chosen_by"] == "you"
    wanted = {"round": 1, "candidate": 2, "chosen_by": "you"}
    assert report["rounds"][1]["refined_from"] == wanted


def test_what_is_gone_on_from_has_a_digest_of_its_own() -> None:
    before, ways = ended(), [(None, 1), (None, 2), (Chosen(1, 1), 1), (Chosen(1, 2), 1)]
    digests = {resumed_loop(before, Resume(RUN, *way), policy(1)).digest for way in ways}
    assert len(digests) == 4 and before.digest not in digests


def test_the_artists_choice_leads_every_later_round_and_is_the_best() -> None:
    state = ended(4, Clicking(Chosen(1, 2)))
    first = state.rounds[0]
    assert state.best_image == first.images[1] and state.start_image == first.images[1]
    assert {record.refined_from for record in state.rounds[:-1]} == {Chosen(1, 2)}
    assert state.best_reading == first.readings[1]
    released = prefer(state, None)
    assert released.best is not None and not released.best.chosen
    assert released.best.gap.size == min(record.gap.size for record in state.rounds)
    assert released.digest != state.digest


def test_a_choice_is_kept_by_naming_it_and_given_up_by_naming_none() -> None:
    before = ended(2, Clicking(Chosen(1, 2)))
    kept, _, refiner = gone_on(before, Chosen(1, 2), 1, policy(1))
    assert chosen_of(kept) == Chosen(1, 2)
    assert refiner.asked[0].prompt == before.rounds[0].prompts[1]
    state, _, refiner = gone_on(before, None, 1, policy(1))
    assert chosen_of(state) is None and state.best is not None
    assert state.best.gap.size == min(record.gap.size for record in state.rounds)
    assert state.rounds[1].refined_from is None  # written anew, without it
    assert refiner.asked[0].prompt == before.rounds[1].prompt


def test_a_choice_that_was_given_up_before_a_skipped_round_leads_no_word() -> None:
    before = ended(2, Clicking(Chosen(1, 2)))
    more = replace(before, policy=policy(4), stop_reason="")
    more = record_refinement(more, Refinement(prompt="a boat, chosen", refiner="by it"))
    more = replace(
        skip_round(more, pictures=2, generate_seconds=0, steps=0), stop_reason="accepted"
    )
    for choice, asked in ((Chosen(1, 2), []), (None, [before.rounds[1].prompt])):
        _, _, refiner = gone_on(more, choice, 1, policy(1))
        assert [request.prompt for request in refiner.asked[: len(asked)]] == asked
        assert bool(refiner.asked) == bool(asked)


def test_what_is_not_there_cannot_be_gone_on_from() -> None:
    before = ended()
    for choice in (Chosen(3, 1), Chosen(1, 3)):
        with pytest.raises(LoopError, match="There is no picture"):
            resumed_loop(before, Resume(RUN, choice, 1), policy(1))
    with pytest.raises(ConfigError, match="98 at most"):
        resumed_loop(before, Resume(RUN, None, 99), policy(1))


def test_an_ended_loop_survives_and_a_dropped_or_damaged_one_is_told(tmp_path: Path) -> None:
    state = replace(
        ended(3, Clicking(Chosen(2, 1))), origin=to_png(torch.rand(8, 8, 3)), failure="an end"
    )
    kept = EndedLoops(tmp_path, part="8188")
    kept.keep(RUN, state)
    loaded = EndedLoops(tmp_path, part="8189").load(RUN)
    assert loaded.digest == state.digest and loaded.rounds == state.rounds
    assert vars(loaded) == vars(state)
    assert from_png(loaded.best_image).shape == (16, 16, 3)
    with pytest.raises(LoopError, match="not kept any more"):
        kept.load("../" + RUN)
    (file,) = (tmp_path / "8188").iterdir()
    most = file.stat().st_size + 1
    EndedLoops(tmp_path, part="8189", most=most).keep("e" * 32, state)
    assert kept.load(RUN).digest == kept.load("e" * 32).digest  # another server's part is its own
    EndedLoops(tmp_path, part="8188", most=most).keep("f" * 32, state)
    with pytest.raises(LoopError, match="not kept any more"):
        kept.load(RUN)
    EndedLoops(tmp_path, part="8188", most=100).keep(RUN, state)  # larger alone: nothing changes
    (file,) = (tmp_path / "8188").iterdir()
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(LoopError, match="cannot be read"):
        kept.load("f" * 32)
