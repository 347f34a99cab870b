"""A scorer that fails, on a real server: the best so far is handed on, and Run asks again."""

from collections.abc import Iterator

import pytest
from chat_replies import rated
from fault_proxy import AWAY, FAULTS, FaultProxy

from emofeedback.lvlm.server.allowed import USUAL_PORTS
from tools.comfy_client import Comfy, Graph, Run, workflow

ROUNDS = 3
REQUESTS = 2  # a picture: its rating and its content
EXPLAINED = REQUESTS + 3  # and another rating with reasons, which are asked for twice here
POLICY = {
    "prompt": "a boat", "rounds": ROUNDS, "candidates": 1, "tolerance": 0.0, "patience": 0,
    "time_budget_s": 0.0, "seed_policy": "per round", "content_floor": 0.0, "seed": 1,
    "first_prompt": "as written",
}  # fmt: skip


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """On a port that nodes may call without leave."""
    made = None
    for port in USUAL_PORTS:
        try:
            made = FaultProxy(port=port)
            break
        except OSError:
            continue
    if made is None:
        pytest.skip("another program holds every port that may be called without leave")
    made.reply = rated()
    yield made
    made.close()


def scorer(proxy: FaultProxy) -> dict:
    values = {
        "url": proxy.url, "model_name": "m", "timeout": 3.0, "at_once": 4, "prompt_tokens": 150,
        "reading": "expected value", "calibration": "none",
    }  # fmt: skip
    inputs = {"kind": "server", **{f"kind.{name}": value for name, value in values.items()}}
    return {"class_type": "EmoFB_LoadEmotionScorer", "inputs": inputs}


def wired(proxy: FaultProxy, seed: int) -> Graph:
    """A loop whose pictures are plain, each of the colour that its seed names."""
    return {
        "1": {"class_type": "EmoFB_EmotionTarget",
              "inputs": {"valence": 2.0, "arousal": -1.0, "preset": "custom"}},
        "2": scorer(proxy),
        "3": {"class_type": "EmoFB_StartLoop",
              "inputs": {**POLICY, "seed": seed, "target": ["1", 0]}},
        "4": {"class_type": "EmptyImage",
              "inputs": {"width": 64, "height": 64, "batch_size": ["3", 3], "color": ["3", 2]}},
        "5": {"class_type": "EmoFB_ScoreRound", "inputs": {
            "state": ["3", 0], "images": ["4", 0], "scorer": ["2", 0], "explain": False}},
        "6": {"class_type": "EmoFB_RefineRound", "inputs": {"state": ["5", 0]}},
        "7": {"class_type": "EmoFB_EndLoop", "inputs": {"start": ["3", 0], "state": ["6", 0]}},
        "8": {"class_type": "PreviewImage", "inputs": {"images": ["7", 1]}},
    }  # fmt: skip


def in_one(proxy: FaultProxy, seed: int) -> Graph:
    quick = {"steps": 1, "width": 64, "height": 64, "candidates": 1, "seed": seed}
    graph = workflow("feedback_all_in_one", EmoFB_EmotionFeedback=quick)
    del graph["3"]["inputs"]["refiner"]
    graph["9"] = scorer(proxy)
    graph["3"]["inputs"]["scorer"] = ["9", 0]
    return {name: graph[name] for name in ("1", "2", "3", "5", "9")}


def drawn(run: Run) -> int:
    return run.runs_of("EmptyImage")


def handed_on(run: Run, number: int, fault: str) -> None:
    """The best of the rounds before the one that met the fault."""
    if number == 1:
        assert "without a reading: m at" in run.message
        return
    assert run.end == "execution_success", run.message
    report = run.report
    assert len(report["rounds"]) == number - 1 >= report["best"]["round"]
    assert report["stop_reason"] == ("scorer" if fault in AWAY else "rounds")
    assert any(f"Round {number}, picture 1 was not read: m at" in w for w in report["warnings"])
    assert len(run.outputs_of("images")) == sum(
        len(record.get("readings") or record["unread"])
        for record in (*report["rounds"], *report["skipped"])
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_leaves_the_best_so_far(
    default_comfy: Comfy, proxy: FaultProxy, fault: str
) -> None:
    # each kind of fault meets each round; every fault in every round is the driver's own test,
    # whose reading and accepting of a round these nodes share
    place = FAULTS.index(fault)
    number = place % ROUNDS + 1
    proxy.fail_after(REQUESTS * (number - 1), fault)
    handed_on(default_comfy.run(wired(proxy, 100 * place)), number, fault)


def test_once_the_server_is_back_run_asks_again_and_draws_nothing_again(
    comfy: Comfy, proxy: FaultProxy
) -> None:
    graph = wired(proxy, 4000)
    for number in (1, 2, 3):
        graph["3"]["inputs"]["seed"] += 10
        proxy.fail_after(REQUESTS * (number - 1), "reset")
        handed_on(comfy.run(graph), number, "reset")
        asked = len(proxy.requests)
        still = comfy.run(graph)
        assert drawn(still) == 0
        handed_on(still, number, "reset")
        assert len(proxy.requests) > asked
        proxy.fail_after(0, "")
        whole = comfy.run(graph)
        assert whole.end == "execution_success", whole.message
        assert len(whole.report["rounds"]) == ROUNDS and not whole.report["failure"]
        assert drawn(whole) == ROUNDS - number
        asked = len(proxy.requests)
        again = comfy.run(graph)
        assert again.end == "execution_success", again.message
        if comfy.mode != "none":
            assert not again.executions and len(proxy.requests) == asked


def test_the_node_that_loops_itself_goes_on_from_what_it_has(
    comfy: Comfy, proxy: FaultProxy
) -> None:
    graph = in_one(proxy, 5000)
    proxy.fail_after(EXPLAINED, "reset")
    ended = comfy.run(graph)
    handed_on(ended, 2, "reset")
    proxy.fail_after(0, "")
    whole = comfy.run(graph)
    assert len(whole.report["rounds"]) == ROUNDS
    assert (whole.report["cost"]["reused"], whole.report["cost"]["pictures"]) == (2, 1)


def test_pictures_that_are_refused_are_asked_about_again(comfy: Comfy, proxy: FaultProxy) -> None:
    graph = wired(proxy, 6000)
    proxy.fail_after(REQUESTS, "page")
    assert len(comfy.run(graph).report["rounds"]) == 1
    assert drawn(comfy.run(graph)) == 0
    proxy.fail_after(0, "")
    whole = comfy.run(graph)
    assert len(whole.report["rounds"]) == ROUNDS and drawn(whole) == 1
