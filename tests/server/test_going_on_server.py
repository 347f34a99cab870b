"""Going on from a loop that ended, and from the picture that the artist prefers, on a real server."""

import json
from typing import Any

import pytest
from test_live_loop import ask, once, told

from tools.comfy_client import Comfy, Graph, Run, only, workflow


def loop(seed: int, **settings: Any) -> Graph:
    return workflow("feedback_loop", EmoFB_StartLoop={"seed": seed, "rounds": 2, **settings})


def done(comfy: Comfy, graph: Graph, watch: Any = None) -> Run:
    run = comfy.run(graph, watch)
    assert run.end == "execution_success", run.message
    return run


def run_id(run: Run) -> str:
    return str(run.outputs_of("emofb_run")[-1])


def numbers(run: Run) -> list[int]:
    return [record["round"] for record in run.report["rounds"]]


@pytest.fixture(scope="module")
def ended(comfy: Comfy) -> Run:
    if comfy.mode != "default":
        pytest.skip("what is kept does not depend on the cache")
    return done(comfy, loop(731))


def test_an_ended_loop_goes_on_and_draws_only_new_rounds(
    default_comfy: Comfy, ended: Run
) -> None:
    graph = loop(731, resume=f"{run_id(ended)}:0:0:2")
    run = done(default_comfy, graph)
    assert numbers(run) == [1, 2, 3, 4]
    same = ("prompts", "seed", "best", "gap", "readings")
    for was, now in zip(ended.report["rounds"], run.report["rounds"], strict=False):
        assert [was[name] for name in same] == [now[name] for name in same]
    drawn = run.report["cost"]["pictures"] - ended.report["cost"]["pictures"]
    assert (drawn, run.report["resumed"]["run"]) == (4, run_id(ended))
    assert run.report["rounds"][1]["next_prompt"]  # the last round is rewritten after all
    assert [e["kind"] for e in told(run)].count("round") == 4
    assert not default_comfy.run(graph).executions  # once more: all from the cache
    again = done(default_comfy, loop(731, resume=f"{run_id(run)}:1:2:1"))
    assert numbers(again) == [1, 2, 3, 4, 5]
    chosen = {"round": 1, "candidate": 2, "chosen_by": "you"}
    assert again.report["rounds"][3]["refined_from"] == chosen
    assert {name: again.report["best"][name] for name in chosen} == chosen


@pytest.mark.parametrize(
    ("resume", "message"),
    [
        ("f" * 32 + ":0:0:1", "not kept any more"),
        ("../../x:0:0:1", "resume is"),
        ("{run}:7:1:1", "no picture 1 of round 7"),
        ("{run}:0:0:99", "98 at most"),
    ],
)
def test_what_cannot_be_gone_on_from_is_an_error_and_no_new_run(
    default_comfy: Comfy, ended: Run, resume: str, message: str
) -> None:
    run = default_comfy.run(loop(731, resume=resume.replace("{run}", run_id(ended))))
    assert run.end == "execution_error" and message in run.message
    assert run.runs_of("KSampler") == 0


def test_another_prompt_is_no_loop_to_go_on_from(default_comfy: Comfy, ended: Run) -> None:
    run = default_comfy.run(loop(731, resume=f"{run_id(ended)}:0:0:1", prompt="a cat"))
    assert run.end == "execution_error" and "a cat" in run.message


def test_the_all_in_one_node_goes_on_too(default_comfy: Comfy) -> None:
    settings: dict[str, Any] = {"seed": 733, "rounds": 1}
    first = done(default_comfy, workflow("feedback_all_in_one", EmoFB_EmotionFeedback=settings))
    settings["resume"] = f"{run_id(first)}:1:2:1"
    run = done(default_comfy, workflow("feedback_all_in_one", EmoFB_EmotionFeedback=settings))
    assert numbers(run) == [1, 2]
    assert run.report["rounds"][0]["refined_from"]["candidate"] == 2
    assert run.report["cost"]["pictures"] == 2 * first.report["cost"]["pictures"]


def test_a_click_leads_from_the_next_boundary_on(default_comfy: Comfy) -> None:
    comfy, answers = default_comfy, []
    body = {"client_id": comfy.client, "round": 1, "candidate": 2}

    def click(run: str) -> None:
        answers.append(ask(comfy, f"{run}/prefer", {**body, "candidate": 3}))
        answers.append(ask(comfy, f"{run}/prefer", {**body, "client_id": "someone else"}))
        answers.append(ask(comfy, f"{run}/prefer", {**body, "round": "1"}))
        answers.append(ask(comfy, f"{run}/prefer", body))

    run = done(comfy, loop(734, rounds=3), once("making pictures", 2, click))
    assert answers == [409, 403, 400, 200]
    first, second, _ = run.report["rounds"]
    chosen = {"round": 1, "candidate": 2, "chosen_by": "you"}
    assert first["refined_from"] == {"round": 1, "candidate": first["best"], "chosen_by": "gap"}
    assert second["refined_from"] == chosen
    assert {name: run.report["best"][name] for name in chosen} == chosen
    kinds = [event["kind"] for event in told(run) if event["kind"] != "doing"]
    assert kinds == ["start", "round", "refined", "round", "preferred", "refined", "round", "end"]
    assert json.dumps(run.report["best"]["reading"]["valence"]) == json.dumps(
        first["readings"][1]["valence"]
    )
