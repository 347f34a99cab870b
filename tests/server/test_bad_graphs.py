"""Graphs that cannot work are refused with a message, and the server works on."""

import re
from collections.abc import Callable

import pytest

from launcher.client import run_graph
from launcher.steps import StartError
from tools.comfy_client import Comfy, Event, Graph, only, workflow


def _without_end(graph: Graph) -> None:
    end = only(graph, "EmoFB_EndLoop")
    behind = [key for key, node in graph.items() if end in _parents(node)]
    for node_id in [end, *behind]:
        del graph[node_id]


def _parents(node: dict) -> list[str]:
    return [value[0] for value in node["inputs"].values() if isinstance(value, list)]


def _two_ends(graph: Graph) -> None:
    end = graph[only(graph, "EmoFB_EndLoop")]
    graph["90"] = {"class_type": "EmoFB_EndLoop", "inputs": dict(end["inputs"])}


def _nested(graph: Graph) -> None:
    start, target = only(graph, "EmoFB_StartLoop"), only(graph, "EmoFB_EmotionTarget")
    inner = {**graph[start]["inputs"], "prompt": [start, 1], "target": [target, 0]}
    graph["80"] = {"class_type": "EmoFB_StartLoop", "inputs": inner}
    scorer = graph[only(graph, "EmoFB_ScoreRound")]["inputs"]["scorer"]
    graph["79"] = {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 2, "color": 0},
    }
    graph["81"] = {
        "class_type": "EmoFB_ScoreRound",
        "inputs": {"state": ["80", 0], "images": ["79", 0], "scorer": scorer, "explain": False},
    }
    graph["82"] = {
        "class_type": "EmoFB_EndLoop",
        "inputs": {"start": ["80", 0], "state": ["81", 0]},
    }
    graph[_positive(graph)]["inputs"]["text"] = ["82", 2]


def _positive(graph: Graph) -> str:
    return graph[only(graph, "KSampler")]["inputs"]["positive"][0]


def _end_without_start(graph: Graph) -> None:
    del graph[only(graph, "EmoFB_EndLoop")]["inputs"]["start"]


def _start_link_from_elsewhere(graph: Graph) -> None:
    score = only(graph, "EmoFB_ScoreRound")
    graph[only(graph, "EmoFB_EndLoop")]["inputs"]["start"] = [score, 0]


def _state_past_the_score(graph: Graph) -> None:
    start = only(graph, "EmoFB_StartLoop")
    graph[only(graph, "EmoFB_EndLoop")]["inputs"]["state"] = [start, 0]


def _refined_twice(graph: Graph) -> None:
    refine = only(graph, "EmoFB_RefineRound")
    graph["90"] = {"class_type": "EmoFB_RefineRound", "inputs": {"state": [refine, 0]}}
    graph[only(graph, "EmoFB_EndLoop")]["inputs"]["state"] = ["90", 0]


def _tiny_pictures(graph: Graph) -> None:
    graph["90"] = {
        "class_type": "EmptyImage",
        "inputs": {"width": 1, "height": 1, "batch_size": 2, "color": 0},
    }
    graph[only(graph, "EmoFB_ScoreRound")]["inputs"]["images"] = ["90", 0]


def _set(class_type: str, **inputs: object) -> Callable[[Graph], None]:
    def change(graph: Graph) -> None:
        graph[only(graph, class_type)]["inputs"] |= inputs

    return change


BAD = {
    "start without end": (_without_end, "has no End Emotion Loop.*Add the node End Emotion Loop"),
    "two ends on one start": (_two_ends, "closed by 2 End Emotion Loop nodes.*Keep one"),
    "nested loops": (_nested, "Nested loops are not possible"),
    "end without start": (_end_without_start, "Required input is missing.*start"),
    "start link from elsewhere": (_start_link_from_elsewhere, "has no End Emotion Loop"),
    "state that skips the body": (_state_past_the_score, "Score Round"),
    "refined twice": (_refined_twice, "refined already; refine each round once"),
    "one-pixel pictures": (_tiny_pictures, "1 x 1 pixels.*at least 8 x 8"),
    "no rounds": (_set("EmoFB_StartLoop", rounds=0), "Value 0 smaller than min of 1.*rounds"),
    "no candidates": (_set("EmoFB_StartLoop", candidates=0), "Value 0 smaller than min of 1"),
    "empty prompt": (_set("EmoFB_StartLoop", prompt="  "), "prompt is.*Write what the picture"),
    "valence off the scale": (_set("EmoFB_EmotionTarget", valence=3.5), "3.5 bigger than max of 3"),
    "arousal not a number": (
        _set("EmoFB_EmotionTarget", arousal=float("nan")),
        "arousal is nan, outside the scale from -3 to 3",
    ),
    "unknown word": (_set("EmoFB_EmotionTarget", preset="grumpy"), "'grumpy' not in"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_graph_gets_a_message_and_the_server_lives(default_comfy: Comfy, name: str) -> None:
    change, message = BAD[name]
    graph = workflow("feedback_loop", EmoFB_StartLoop={"rounds": 2, "seed": 61})
    change(graph)
    run = default_comfy.run(graph)
    assert run.end in ("refused", "execution_error")
    assert re.search(message, run.message, re.DOTALL), run.message
    assert run.runs_of("KSampler") <= 1
    assert default_comfy.run(SMALL).end == "execution_success"


SMALL: Graph = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0},
    },
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}


def test_pictures_with_alpha_are_read_over_white(default_comfy: Comfy) -> None:
    graph = workflow("feedback_loop", EmoFB_StartLoop={"rounds": 1, "seed": 62})
    score = graph[only(graph, "EmoFB_ScoreRound")]["inputs"]
    graph["90"] = {"class_type": "SolidMask", "inputs": {"value": 0.5, "width": 128, "height": 128}}
    graph["91"] = {
        "class_type": "JoinImageWithAlpha",
        "inputs": {"image": score["images"], "alpha": ["90", 0]},
    }
    score["images"] = ["91", 0]
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    assert len(run.images("best_")) == 1


def test_unknown_words_are_named_on_the_encoding_node(default_comfy: Comfy) -> None:
    prompt = "a zeppelin on the sea"
    default_comfy.run(workflow("feedback_loop", EmoFB_StartLoop={"rounds": 1, "prompt": prompt}))
    assert "zeppelin" in default_comfy.server.log.read_text(encoding="utf-8")


def test_interrupt_in_round_two_stops_within_a_step(comfy: Comfy) -> None:
    steps = 40
    graph = workflow("feedback_loop", EmoFB_StartLoop={"seed": 71}, KSampler={"steps": steps})
    sampler = only(graph, "KSampler")
    seen: list[float] = []
    asked_at: list[float] = []

    def watch(event: Event) -> None:
        if event["type"] != "progress_state":
            return
        for node in event["data"]["nodes"].values():
            second = node["node_id"] != sampler and node["display_node_id"] == sampler
            if second and node["state"] == "running" and node["max"] == steps:
                seen.append(node["value"])
        if seen and seen[-1] >= 3 and not asked_at:
            asked_at.append(seen[-1])
            comfy.post("/interrupt", {})

    run = comfy.run(graph, watch)
    assert run.end == "execution_interrupted"
    assert run.runs_of("KSampler") == 2
    # Steps go on while the request travels; a loop that ignored it would reach the last step.
    assert max(seen) < steps
    again = comfy.run(workflow("feedback_loop", EmoFB_StartLoop={"seed": 72, "rounds": 1}))
    assert again.end == "execution_success", again.message


def test_the_launcher_tells_node_and_value_of_what_the_server_refuses(default_comfy: Comfy) -> None:
    graph = workflow("feedback_loop")
    start = next(node for node in graph.values() if node["class_type"] == "EmoFB_StartLoop")
    start["inputs"]["rounds"] = 5000
    with pytest.raises(StartError, match=r"(?s)EmoFB_StartLoop.*5000|5000.*EmoFB_StartLoop"):
        run_graph(default_comfy.server, graph)
