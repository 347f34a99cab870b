"""A running loop tells the page that queued it, listens to that page alone, and keeps the story."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tools.comfy_client import Comfy, Event, Run, only, workflow

CANDIDATES = 2
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def loop(seed: int, rounds: int = 2) -> dict[str, Any]:
    return workflow("feedback_loop", EmoFB_StartLoop={"seed": seed, "rounds": rounds})


def told(run: Run) -> list[dict[str, Any]]:
    """Every event of the run, in the order in which the page got them."""
    messages = [event["data"] for event in run.events if event["type"] == "emofeedback.run"]
    return [event for message in messages for event in message["events"]]


def kinds(run: Run) -> list[str]:
    return [event["kind"] for event in told(run) if event["kind"] != "doing"]


def ask(comfy: Comfy, path: str, body: Any, content_type: str = "application/json") -> int:
    """POSTs and returns the status of the answer; a refusal says why."""
    data = body if isinstance(body, bytes | Iterator) else json.dumps(body).encode()
    address = f"{comfy.server.url}/emofeedback/runs/{path}"
    request = urllib.request.Request(address, data, {"Content-Type": content_type})
    try:
        with NO_PROXY.open(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        refused = error
    assert json.load(refused)["error"], refused.code
    return refused.code


def in_pieces(body: Any) -> Iterator[bytes]:
    """A body as it comes over a slow line."""
    text = json.dumps(body).encode()
    yield text[:9]
    time.sleep(0.2)
    yield text[9:]


def once(what: str, number: int, act: Callable[[str], None]) -> Callable[[Event], None]:
    """A watcher that acts on the run's id when the loop begins to do something in a round."""
    done: list[bool] = []

    def watch(event: Event) -> None:
        if event["type"] != "emofeedback.run" or done:
            return
        for each in event["data"]["events"]:
            if (each["kind"], each.get("what"), each.get("round")) == ("doing", what, number):
                done.append(True)
                act(event["data"]["run"])

    return watch


@pytest.fixture(scope="module")
def finished(comfy: Comfy) -> Run:
    return comfy.run(loop(seed=701))


def test_the_page_is_told_every_round_on_the_end_node(default_comfy: Comfy, finished: Run) -> None:
    assert kinds(finished) == ["start", "round", "refined", "round", "end"]
    nodes = {e["data"]["node"] for e in finished.events if e["type"] == "emofeedback.run"}
    assert nodes == {only(finished.graph, "EmoFB_EndLoop")}
    first = next(event for event in told(finished) if event["kind"] == "round")
    report = finished.report["rounds"][0]
    assert first["readings"] == report["readings"]
    doing = [(e["what"], e["round"]) for e in told(finished) if e["kind"] == "doing"]
    assert ("making pictures", 2) in doing and ("rewriting the prompt", 1) in doing


def test_the_story_is_kept_and_its_loss_is_told(default_comfy: Comfy, finished: Run) -> None:
    comfy = default_comfy
    run_id = finished.outputs_of("emofb_run")[-1]
    kept = comfy.server.get(f"/emofeedback/runs/{run_id}")
    assert kept["events"] == [event for event in told(finished) if event["kind"] != "doing"]
    assert kept["running"] is False
    (file,) = comfy.server.base.glob(f"user/__emofeedback/runs/*/{run_id}.jsonl")
    file.unlink()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        comfy.server.get(f"/emofeedback/runs/{run_id}")


def test_a_first_prompt_is_rewritten_once_and_that_is_told(comfy: Comfy) -> None:
    graph = loop(seed=709)
    start = graph[only(graph, "EmoFB_StartLoop")]["inputs"]
    refiner = graph[only(graph, "EmoFB_RefineRound")]["inputs"]["refiner"]
    start |= {"first_prompt": "rewritten", "refiner": refiner}
    run = comfy.run(graph)
    assert run.end == "execution_success", run.message
    assert kinds(run) == ["start", "refined", "round", "refined", "round", "end"]
    rewritings = [e["round"] for e in told(run) if e.get("what") == "rewriting the prompt"]
    assert rewritings == [1, 1]  # before the first round, and after it
    first, report = run.report["first_refinement"], run.report
    assert first["prompt"].startswith(f"{start['prompt']}, ") and first["tokens"] > 0
    assert report["rounds"][0]["prompt"] == first["prompt"]
    spent = sum(record["tokens"] for record in report["rounds"])
    assert report["cost"]["tokens"] == spent + first["tokens"]
    if comfy.mode != "none":
        assert not comfy.run(graph).executions


def test_a_cached_run_names_the_story_to_a_page_that_never_saw_it(default_comfy: Comfy) -> None:
    finished = default_comfy.run(loop(seed=711))
    cached = default_comfy.run(loop(seed=711))
    assert cached.runs_of("KSampler") == 0
    end = only(cached.graph, "EmoFB_EndLoop")
    shown = [
        e["data"]["output"]
        for e in cached.events
        if e["type"] == "executed" and e["data"]["node"] == end
    ]
    assert [output["emofb_run"] for output in shown] == [finished.outputs_of("emofb_run")[-1:]]


def test_a_loop_inside_a_subgraph_is_told_on_its_inner_node(default_comfy: Comfy) -> None:
    graph = json.loads(json.dumps(loop(seed=702, rounds=1)))
    inside = {key: f"30:{key}" for key in graph}
    for node in graph.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                node["inputs"][name] = [inside[value[0]], value[1]]
    run = default_comfy.run({inside[key]: node for key, node in graph.items()})
    assert run.end == "execution_success", run.message
    nodes = {e["data"]["node"] for e in run.events if e["type"] == "emofeedback.run"}
    assert nodes == {only(run.graph, "EmoFB_EndLoop")} and nodes.pop().startswith("30:")


def test_accepting_ends_the_loop_after_the_round_at_hand(default_comfy: Comfy) -> None:
    comfy, answers = default_comfy, []
    body = {"client_id": comfy.client}
    act = once("making pictures", 1, lambda run: answers.append(ask(comfy, f"{run}/accept", body)))
    run = comfy.run(loop(seed=703, rounds=5), act)
    assert answers == [200]
    assert run.end == "execution_success", run.message
    assert run.report["stop_reason"] == "accepted"
    assert run.runs_of("KSampler") == len(run.report["rounds"]) == 1
    assert len(run.images("best_")) == 1
    assert ask(comfy, f"{run.outputs_of('emofb_run')[-1]}/accept", body) == 404  # it is over


def test_a_skipped_round_is_not_read_and_the_next_has_another_seed(default_comfy: Comfy) -> None:
    comfy, answers = default_comfy, []

    def skip(number: int) -> Callable[[str], None]:
        body = {"client_id": comfy.client, "round": number}
        return lambda run: answers.append(ask(comfy, f"{run}/skip", body))

    in_time, too_late = once("making pictures", 1, skip(1)), once("reading emotions", 2, skip(2))
    graph = loop(seed=704, rounds=2)
    graph[only(graph, "KSampler")]["inputs"]["steps"] = 20  # long enough for the first to come
    run = comfy.run(graph, lambda event: (in_time(event), too_late(event)))
    assert answers[0] == 200
    assert answers[1] in (404, 409), "a round that is read is not thrown away, and that is said"
    assert run.end == "execution_success", run.message
    assert kinds(run) == ["start", "skipped", "round", "end"]
    assert [skipped["number"] for skipped in run.report["skipped"]] == [1]
    (record,) = run.report["rounds"]
    assert (record["round"], record["seed"]) == (2, 705)
    assert run.report["cost"]["pictures"] == 2 * CANDIDATES


def test_the_all_in_one_node_stops_sampling_at_once(default_comfy: Comfy) -> None:
    comfy, body = default_comfy, {"client_id": default_comfy.client}
    settings = {"seed": 706, "rounds": 3, "steps": 30}
    act = once("making pictures", 2, lambda run: ask(comfy, f"{run}/accept", body))
    run = comfy.run(workflow("feedback_all_in_one", EmoFB_EmotionFeedback=settings), act)
    assert run.end == "execution_success", run.message
    assert run.report["stop_reason"] == "accepted"
    assert [record["round"] for record in run.report["rounds"]] == [1]
    assert [skipped["number"] for skipped in run.report["skipped"]] == [2]
    assert {e["data"]["node"] for e in run.events if e["type"] == "emofeedback.run"} == {
        only(run.graph, "EmoFB_EmotionFeedback")
    }


def test_a_request_that_is_not_the_pages_own_changes_nothing(default_comfy: Comfy) -> None:
    comfy, answers = default_comfy, {}
    mine = {"client_id": comfy.client}

    def try_all(run: str) -> None:
        answers.update(
            other_page=ask(comfy, f"{run}/accept", {"client_id": "someone else"}),
            no_page=ask(comfy, f"{run}/accept", {}),
            more=ask(comfy, f"{run}/accept", {**mine, "file": "/etc/passwd"}),
            text=ask(comfy, f"{run}/accept", mine, "text/plain"),
            broken=ask(comfy, f"{run}/accept", b"{"),
            deep=ask(comfy, f"{run}/accept", b"[" * 1000),
            large=ask(comfy, f"{run}/accept", b'"' + b"x" * 5000 + b'"'),
            list=ask(comfy, f"{run}/accept", [comfy.client]),
            pieces=ask(comfy, f"{run}/skip", in_pieces({**mine, "round": 2})),
            other_run=ask(comfy, f"{'0' * 32}/accept", mine),
            other_round=ask(comfy, f"{run}/skip", {**mine, "round": 2}),
            no_round=ask(comfy, f"{run}/skip", {**mine, "round": True}),
            only_round=ask(comfy, f"{run}/skip", {**mine, "round": 1}),
        )

    run = comfy.run(loop(seed=708, rounds=1), once("making pictures", 1, try_all))
    assert answers == {
        "other_page": 403,
        "no_page": 400,
        "more": 400,
        "text": 415,
        "broken": 400,
        "deep": 400,
        "large": 413,
        "list": 400,
        "pieces": 409,
        "other_run": 404,
        "other_round": 409,
        "no_round": 409,
        "only_round": 409,
    }
    assert run.report["stop_reason"] == "rounds"
    assert run.report["skipped"] == []


@pytest.mark.parametrize("path", ["..%2F..%2Fdefault%2Fcomfy.settings", "..", "%00", "a" * 3000])
def test_no_other_file_is_read(default_comfy: Comfy, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404|400"):
        default_comfy.server.get(f"/emofeedback/runs/{path}")
