"""Readers that fail: what was made and read is handed on."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from chat_replies import rated
from fault_proxy import AWAY, FAULTS, FaultProxy

from emofeedback.errors import ScorerAnswerError, ScorerError
from emofeedback.loop.candidate_prompts import ONE_EACH
from emofeedback.loop.driver import run_loop
from emofeedback.loop.events import Told, events_since
from emofeedback.loop.report import loop_report
from emofeedback.loop.report_page import report_csv, report_html
from emofeedback.loop.steps import start_loop
from emofeedback.lvlm.server.endpoint import open_endpoint
from emofeedback.reading.base import Scorer
from emofeedback.reading.scorer import LvlmScorer
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading, Unread
from emofeedback.records.refinement import Refinement
from emofeedback.records.request import RefineRequest
from emofeedback.records.state import LoopState
from emofeedback.refining.rules import RuleRefiner

ROUNDS = 3
REQUESTS = 2  # a picture: its rating and its content


class Painter:
    """Plain pictures, counted."""

    def __init__(self, candidates: int = 1) -> None:
        self.drawn, self._shape = 0, (candidates, 16, 16, 3)

    def __call__(self, prompts: Sequence[str], seed: int) -> torch.Tensor:
        self.drawn += 1
        return torch.rand(self._shape, generator=torch.Generator().manual_seed(seed))


def begun(candidates: int = 1) -> LoopState:
    policy = LoopPolicy(rounds=ROUNDS, candidates=candidates, tolerance=0)
    return start_loop("a boat", Emotion(2, -1), policy, seed=5)


@pytest.fixture
def proxy(monkeypatch) -> Iterator[FaultProxy]:
    made = FaultProxy()
    monkeypatch.setenv("EMOFEEDBACK_ALLOWED_SERVERS", f"127.0.0.1:{made.port}")
    made.reply = rated()
    yield made
    made.close()


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_in_every_round_hands_on_the_best_so_far(
    proxy: FaultProxy, fault: str, number: int
) -> None:
    timeout_s = 2.0 if fault in ("drip", "silent") else 30.0
    lvlm = open_endpoint(proxy.url, "m", timeout_s=timeout_s, retries=0)
    scorer, painter, states = LvlmScorer(lvlm), Painter(), list[LoopState]()
    proxy.fail_after(REQUESTS * (number - 1), fault)

    # explained readings would ask a third question
    loop = run_loop(painter, scorer, RuleRefiner(), begun(), explain=False)
    if number == 1:
        with pytest.raises(ScorerError, match="without a reading: m at"):
            states.extend(loop)
    else:
        states.extend(loop)
        report = loop_report(states[-1])
        assert report["best"]["round"] < number
        assert len(report["rounds"]) == number - 1
        assert report["stop_reason"] == ("scorer" if fault in AWAY else "rounds")
        assert any(f"Round {number}, picture 1 was not read: m at" in w for w in report["warnings"])
    assert painter.drawn == (number if fault in AWAY else ROUNDS)
    assert len(states[-1].made) == painter.drawn  # with every picture


class Picky(Scorer):
    """Refuses pictures by their order of appearance; the others feel better one by one."""

    name = "picky"

    def __init__(self, *refused: int) -> None:
        self.refused, self.seen = refused, dict[bytes, int]()

    def score(self, images: torch.Tensor, *, prompt: str | None = None) -> list[Reading]:
        keys = [image.numpy().tobytes() for image in images]
        numbers = [self.seen.setdefault(key, len(self.seen)) for key in keys]
        if set(numbers) & set(self.refused):
            raise ScorerAnswerError("I cannot assist with </bdi>that.")
        return [Reading(emotion=Emotion(0.2 * number, -1)) for number in numbers]


class OneByOne(RuleRefiner):
    """Writes a prompt that names the one before it."""

    def refine(self, request: RefineRequest) -> Refinement:
        return Refinement(prompt=f"{request.prompt}+", clause="", suggestions=(), refiner="test")


def test_a_picture_that_is_refused_cannot_win_and_is_named_everywhere() -> None:
    # round 1: picture 2 (of 3) is refused; round 2: all of them; round 3: the first
    states = list(run_loop(Painter(3), Picky(1, 3, 4, 5, 6), OneByOne(), begun(3), route=ONE_EACH))
    state = states[-1]
    first, third = state.rounds
    assert [type(outcome) for outcome in first.outcomes] == [Reading, Unread, Reading]
    assert (first.best, third.best, third.number) == (2, 2, 3)
    (second,) = state.skipped
    assert len(second.images) == 3 and second.prompts == ("a boat+",) * 3
    report = loop_report(state)
    told = [w for w in report["warnings"] if "was not read: I cannot assist" in w]
    assert [w[:18] for w in told] == [
        "Round 1, picture 2", "Round 2, picture 1", "Round 2, picture 2", "Round 2, picture 3",
        "Round 3, picture 1",
    ]  # fmt: skip
    assert report["cost"]["pictures"] == 9 and report["skipped"][0]["unread"]
    events, _ = events_since(state, Told())
    assert sum(len(event.get("unread", ())) for event in events) == 5
    assert report_csv(state).count("not read: I cannot") == 2
    page = report_html(state)
    assert page.count("not read: <bdi>I cannot assist with &lt;/bdi&gt;that.") == 5


def test_a_refiner_that_cannot_be_asked_ends_the_loop_and_one_that_babbles_does_not() -> None:
    class Gone(RuleRefiner):
        def refine(self, request: RefineRequest) -> Refinement:
            raise ScorerError("nobody there")

    class Babbling(RuleRefiner):
        def refine(self, request: RefineRequest) -> Refinement:
            raise ScorerAnswerError("la la")

    painter = Painter()
    (ended,) = run_loop(painter, Picky(), Gone(), begun())
    assert (ended.stop_reason, ended.failure, painter.drawn) == ("scorer", "nobody there", 1)
    *_, whole = run_loop(painter, Picky(), Babbling(), begun())
    assert painter.drawn - 1 == ROUNDS == len(whole.rounds)
    assert whole.rounds[0].refinement is not None
    assert "la la" in whole.rounds[0].refinement.warnings[-1]
