"""The loop on a real server: how often its nodes run, when it stops, what it leaves."""

import pytest

from tools.comfy_client import Comfy, Run, only, workflow

BODY = ("EmptySD3LatentImage", "KSampler", "VAEDecode", "PreviewImage", "EmoFB_RefineRound")
ROUNDS = 3
KEPT: dict = {"EmoFB_EndLoop": {"keep_candidates": True}}


@pytest.fixture(scope="module")
def finished(comfy: Comfy) -> Run:
    """A whole loop of three rounds, run once for each mode."""
    return comfy.run(workflow("feedback_loop", **KEPT))


def kept_files(comfy: Comfy) -> list[str]:
    folder = comfy.server.base / "output" / "emofeedback" / "candidates" / "a-boat-on-the-sea-7"
    return sorted(file.name for file in folder.iterdir())


def test_the_body_runs_once_a_round(comfy: Comfy, finished: Run) -> None:
    assert finished.end == "execution_success", finished.message
    assert len(finished.report["rounds"]) == ROUNDS
    assert {kind: finished.runs_of(kind) for kind in BODY} == dict.fromkeys(BODY, ROUNDS)


def test_loaders_outside_the_body_run_once(comfy: Comfy, finished: Run) -> None:
    # Without a cache ComfyUI asks for the loader again in every round; our own cache answers.
    most = ROUNDS if comfy.mode == "none" else 1
    assert finished.runs_of("EmoFB_LoadEmbedded") <= most
    assert finished.runs_of("EmoFB_EmotionTarget") <= 1


def test_previews_in_the_body_show_every_round(comfy: Comfy, finished: Run) -> None:
    shown = [
        event["data"]["output"]["images"]
        for event in finished.events
        if event["type"] == "executed"
        and finished.class_of(event["data"]["display_node"]) == "PreviewImage"
    ]
    files = [image["filename"] for images in shown for image in images]
    assert len(set(files)) == ROUNDS * 2


def test_an_unchanged_queue_runs_nothing_again(comfy: Comfy, finished: Run) -> None:
    again = comfy.run(workflow("feedback_loop", **KEPT))
    assert again.end == "execution_success"
    if comfy.mode == "none":
        assert again.report["cost"]["pictures"] == 0
    else:
        assert not again.executions


def test_the_loop_leaves_every_picture_and_a_whole_report(comfy: Comfy, finished: Run) -> None:
    report = finished.report
    assert len(finished.images("candidates_")) == ROUNDS * 2
    assert len(kept_files(comfy)) == ROUNDS * 2
    assert len(finished.images("best_")) == len(finished.images("chart_")) == 1
    for record in report["rounds"]:
        assert {"prompt", "suggestions", "readings", "gap", "seconds", "steps", "tokens"} <= set(
            record
        )
        assert len(record["readings"]) == 2
        assert all(reading["uncertainty"] for reading in record["readings"])
        assert record["steps"] == 2 * 2  # sampler steps x candidates
        assert record["prompt"].startswith("a boat on the sea")
    assert [record["seed"] for record in report["rounds"]] == [7, 8, 9]
    gaps = [record["gap"]["size"] for record in report["rounds"]]
    assert report["best"]["gap"]["size"] == min(gaps)
    assert report["stop_reason"] == "rounds"
    assert report["cost"]["pictures"] == ROUNDS * 2
    assert report["cost"]["seconds"] > 0


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ({"tolerance": 6.0}, "tolerance"),
        ({"time_budget_s": 0.001}, "time budget"),
        ({"rounds": 1}, "rounds"),
    ],
)
def test_a_loop_that_may_stop_runs_no_further_round(
    comfy: Comfy, policy: dict, reason: str
) -> None:
    run = comfy.run(workflow("feedback_loop", EmoFB_StartLoop={"seed": 21, **policy}))
    assert run.report["stop_reason"] == reason
    assert run.runs_of("KSampler") == run.runs_of("VAEDecode") == len(run.report["rounds"]) == 1


def test_patience_ends_a_loop_that_does_not_get_better(default_comfy: Comfy) -> None:
    # The same words and seed make the same pictures, so no round after the first is better.
    graph = workflow(
        "feedback_loop",
        EmoFB_StartLoop={"seed": 5, "rounds": 6, "patience": 2, "seed_policy": "fixed"},
    )
    graph[only(graph, "EmoFB_EndLoop")]["inputs"]["state"] = [only(graph, "EmoFB_ScoreRound"), 0]
    del graph[only(graph, "EmoFB_RefineRound")]
    run = default_comfy.run(graph)
    assert run.report["stop_reason"] == "patience"
    assert run.runs_of("KSampler") == len(run.report["rounds"]) == 3


def test_more_rounds_run_only_the_nodes_of_rounds(comfy: Comfy) -> None:
    comfy.run(workflow("feedback_loop", EmoFB_StartLoop={"seed": 31, "rounds": 1}))
    run = comfy.run(workflow("feedback_loop", EmoFB_StartLoop={"seed": 31, "rounds": 2}))
    assert run.end == "execution_success", run.message
    assert run.runs_of("KSampler") <= 2
    assert len(run.report["rounds"]) == 2


def test_progress_of_the_whole_loop_shows_on_the_end_node(finished: Run) -> None:
    end = only(finished.graph, "EmoFB_EndLoop")
    shown = finished.progress_of(end)
    assert [pair for pair in shown if pair[1] == ROUNDS] == [(1, 3), (2, 3), (3, 3)]


def test_the_all_in_one_node_does_what_the_wired_loop_does(comfy: Comfy, finished: Run) -> None:
    asked = {
        kind: finished.graph[only(finished.graph, kind)]["inputs"]
        for kind in ("EmoFB_EmotionTarget", "EmoFB_StartLoop")
    }
    changes = {
        "EmoFB_EmotionTarget": asked["EmoFB_EmotionTarget"],
        "EmoFB_EmotionFeedback": {
            "seed": asked["EmoFB_StartLoop"]["seed"],
            "keep_candidates": True,
        },
    }
    kept = kept_files(comfy)
    whole = comfy.run(workflow("feedback_all_in_one", **changes))
    assert whole.end == "execution_success", whole.message
    node = only(whole.graph, "EmoFB_EmotionFeedback")
    assert (ROUNDS * 2, ROUNDS * 2) in whole.progress_of(node)  # one bar over all sampler steps

    def told(run: Run) -> list:
        return [
            [
                *(record[key] for key in ("prompt", "seed", "steps", "best")),
                *((reading["valence"], reading["arousal"]) for reading in record["readings"]),
            ]
            for record in run.report["rounds"]
        ]

    assert told(whole) == told(finished)
    assert kept_files(comfy) == kept  # named after their pictures, which are the same


def test_every_candidate_may_have_its_own_prompt(default_comfy: Comfy) -> None:
    run = default_comfy.run(
        workflow(
            "feedback_all_in_one",
            EmoFB_EmotionFeedback={"prompts": "one each", "rounds": 2, "seed": 52},
        )
    )
    assert run.end == "execution_success", run.message
    assert [len(record["prompts"]) for record in run.report["rounds"]] == [2, 2]


def test_a_grid_makes_one_picture_for_each_emotion(comfy: Comfy) -> None:
    run = comfy.run(workflow("emotion_grid"))
    assert run.end == "execution_success", run.message
    assert len(run.images("grid_")) == 1


def test_the_aim_reaches_the_body_and_moves_from_round_to_round(default_comfy: Comfy) -> None:
    graph = workflow("feedback_loop", EmoFB_StartLoop={"seed": 41, "rounds": 2, "steer": "aim"})
    start, sampler = only(graph, "EmoFB_StartLoop"), graph[only(graph, "KSampler")]["inputs"]
    text = graph[sampler["positive"][0]]["inputs"]
    graph["71"] = {
        "class_type": "EmoFB_EncodeEmotion",
        "inputs": {
            "clip": text["clip"], "prompt": [start, 1], "emotion": [start, 6],
            "strength": 1.0, "method": "adapter",
        },
    }  # fmt: skip
    sampler["positive"] = ["71", 0]
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    first, second = (record["aim"] for record in run.report["rounds"])
    target = run.report["target"]
    assert [first[axis] - target[axis] for axis in ("valence", "arousal")] == [0, 0]
    assert first != second
    assert run.report["rounds"][0]["prompt"] == run.report["rounds"][1]["prompt"]
    assert run.runs_of("EmoFB_EncodeEmotion") == 2
