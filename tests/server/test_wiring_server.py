"""A loop that is wired wrongly says so on its first node, and runs all the same."""

from tools.comfy_client import Comfy, only, workflow


def test_a_prompt_of_its_own_is_told_twice_and_stops_nothing(default_comfy: Comfy) -> None:
    graph = workflow("feedback_loop", EmoFB_StartLoop={"rounds": 1, "seed": 91})
    positive = graph[only(graph, "KSampler")]["inputs"]["positive"][0]
    graph[positive]["inputs"]["text"] = "a boat"
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    texts = [text for node, text in run.texts if node == only(graph, "EmoFB_StartLoop")]
    # When it is queued, which also shows where everything comes from the cache; then while it runs.
    assert len(texts) == 2
    assert all("the prompt output of Start Emotion Loop reaches nothing" in text for text in texts)
    assert "round 1 of 1" in texts[1]


def test_an_aim_that_nothing_takes_is_told_and_the_words_are_steered(default_comfy: Comfy) -> None:
    graph = workflow("feedback_loop", EmoFB_StartLoop={"rounds": 1, "seed": 92, "steer": "both"})
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    texts = [text for node, text in run.texts if node == only(graph, "EmoFB_StartLoop")]
    assert all("steers by words" in text for text in texts)
    assert any("steers by words" in warning for warning in run.report["warnings"])
    assert [record["aim"] for record in run.report["rounds"]] == [None]
