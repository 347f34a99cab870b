"""Nothing is drawn, read or rewritten twice, whatever ComfyUI keeps; counted in every mode."""

from typing import Any

import pytest

from tools.comfy_client import Comfy, Graph, Run, only, workflow

ROUNDS, STEPS = 3, 2


def loop(seed: int, **settings: Any) -> Graph:
    return workflow("feedback_loop", EmoFB_StartLoop={"seed": seed, "rounds": ROUNDS, **settings})


def done(comfy: Comfy, graph: Graph) -> Run:
    run = comfy.run(graph)
    assert run.end == "execution_success", run.message
    return run


def read(run: Run) -> int:
    """Readings that took time: those from memory took none."""
    return sum(r["seconds"] > 0 for record in run.report["rounds"] for r in record["readings"])


def rewritten(run: Run) -> int:
    return sum(record["refine_seconds"] > 0 for record in run.report["rounds"])


def reused(run: Run) -> list[int]:
    return [record["round"] for record in run.report["rounds"] if record["reused"]]


def drawn(run: Run) -> int:
    """Rounds whose sampler took a step; a node that is blocked 'executes', and does nothing."""
    states = [event["data"]["nodes"] for event in run.events if event["type"] == "progress_state"]
    return len(
        {
            state["node_id"]
            for nodes in states
            for state in nodes.values()
            if state["max"] == STEPS and run.class_of(state["display_node_id"]) == "KSampler"
        }
    )


def previewed(run: Run) -> int:
    done = [event["data"] for event in run.events if event["type"] == "executed"]
    return sum(run.class_of(data["display_node"]) == "PreviewImage" for data in done)


@pytest.fixture(scope="module")
def first(comfy: Comfy) -> Run:
    run = done(comfy, loop(901, tolerance=0.0))
    assert drawn(run) == previewed(run) == ROUNDS
    assert (read(run), rewritten(run)) == (ROUNDS * 2, ROUNDS - 1)
    return run


def test_stop_rules_draw_read_and_rewrite_nothing(every_comfy: Comfy, first: Run) -> None:
    run = done(every_comfy, loop(901, tolerance=0.05))
    assert drawn(run) == previewed(run) == 0
    assert (read(run), rewritten(run), run.report["cost"]["pictures"]) == (0, 0, 0)
    assert run.report["cost"]["reused"] == ROUNDS and run.report["cost"]["steps"] == 0
    for one, other in zip(first.report["rounds"], run.report["rounds"], strict=True):
        assert one["prompts"] == other["prompts"] and one["best"] == other["best"]
        assert one["gap"] == other["gap"] and one["next_prompt"] == other["next_prompt"]
    assert len(run.images("candidates_")) == ROUNDS * 2


def test_one_round_more_draws_one_round(every_comfy: Comfy, first: Run) -> None:
    run = done(every_comfy, loop(901, tolerance=0.05, rounds=ROUNDS + 1))
    assert drawn(run) == previewed(run) == 1 and reused(run) == [1, 2, 3]
    assert (read(run), rewritten(run)) == (2, 1)


def test_another_target_draws_only_what_has_other_words(every_comfy: Comfy, first: Run) -> None:
    graph = loop(901)
    graph[only(graph, "EmoFB_EmotionTarget")]["inputs"]["arousal"] = 2.5
    run = done(every_comfy, graph)
    before = [record["prompts"] for record in first.report["rounds"]]
    same = [r["round"] for r, was in zip(run.report["rounds"], before, strict=True)
            if r["prompts"] == was]  # fmt: skip
    assert 1 in same and reused(run) == same
    assert drawn(run) == ROUNDS - len(same)


def test_another_body_is_drawn_though_the_loop_is_the_same(every_comfy: Comfy, first: Run) -> None:
    assert drawn(done(every_comfy, loop(901, tolerance=0.1))) == 0  # its outputs are blocked now
    graph = loop(901, tolerance=0.1)
    graph[only(graph, "KSampler")]["inputs"]["cfg"] = 1.5
    run = done(every_comfy, graph)
    assert drawn(run) == previewed(run) == ROUNDS and not reused(run)
    assert len(run.images("candidates_")) == ROUNDS * 2


def test_what_comes_after_the_loop_gets_the_words_all_the_same(
    every_comfy: Comfy, first: Run
) -> None:
    graph = loop(901, tolerance=0.15)
    start, end = only(graph, "EmoFB_StartLoop"), only(graph, "EmoFB_EndLoop")
    joined = {"string_a": [start, 1], "string_b": [end, 2], "delimiter": "|"}
    graph["90"] = {"class_type": "StringConcatenate", "inputs": joined}
    graph["91"] = {"class_type": "PreviewAny", "inputs": {"source": ["90", 0]}}
    run = done(every_comfy, graph)
    assert drawn(run) == 0
    (text,) = run.outputs["91"]["text"]
    assert text == f"{first.report['prompt']}|{run.report['best']['prompt']}"


def test_a_body_that_differs_from_run_to_run_is_never_kept(every_comfy: Comfy) -> None:
    def graph(tolerance: float) -> Graph:
        made = loop(902, rounds=1, tolerance=tolerance)
        # The list makes Score Round read twice; which pictures were whose nobody could tell.
        decode = only(made, "VAEDecode")
        made["90"] = {"class_type": "RebatchImages",
                      "inputs": {"images": [decode, 0], "batch_size": 2}}  # fmt: skip
        made[only(made, "EmoFB_ScoreRound")]["inputs"]["images"] = ["90", 0]
        return made

    assert drawn(done(every_comfy, graph(0.0))) == 1
    run = done(every_comfy, graph(0.05))
    assert not reused(run) and run.report["cost"]["pictures"] == 2


def test_the_all_in_one_node_draws_and_reads_nothing_again(default_comfy: Comfy) -> None:
    def graph(**settings: Any) -> Graph:
        asked = {"seed": 903, "rounds": 2, "tolerance": 0.0, **settings}
        return workflow("feedback_all_in_one", EmoFB_EmotionFeedback=asked)

    before = done(default_comfy, graph())
    run = done(default_comfy, graph(tolerance=0.05, rounds=3))
    assert reused(run) == [1, 2] and run.report["cost"]["pictures"] == 2
    assert (read(run), rewritten(run)) == (2, 1)
    for one, other in zip(before.report["rounds"], run.report["rounds"], strict=False):
        assert (one["prompts"], one["gap"]) == (other["prompts"], other["gap"])
