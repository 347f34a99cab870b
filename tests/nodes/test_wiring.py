"""What is wired wrongly is said, and what is wired well is not."""

import copy
import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tools.comfy_client import WORKFLOWS, Graph, only, workflow
from tools.workflows.stand_ins import drawn_twin

SHIPPED = sorted(WORKFLOWS.glob("*.json"))


@pytest.fixture(scope="module")
def wiring(pack: ModuleType) -> ModuleType:
    return importlib.import_module(f"{pack.__name__}.nodes.comfy.wiring")


def set_input(kind: str, name: str, value: Any) -> Callable[[Graph], None]:
    def change(graph: Graph) -> None:
        node = next(n for n in graph.values() if n["class_type"] == kind and name in n["inputs"])
        node["inputs"][name] = value

    return change


def another_feeling(graph: Graph) -> None:
    """Encode Emotion in the round, with an Emotion Target of its own."""
    start = only(graph, "EmoFB_StartLoop")
    sampler = graph[only(graph, "KSampler")]["inputs"]
    text = graph[sampler["positive"][0]]["inputs"]
    graph["70"] = copy.deepcopy(graph[only(graph, "EmoFB_EmotionTarget")])
    graph["71"] = {
        "class_type": "EmoFB_EncodeEmotion",
        "inputs": {
            "clip": text["clip"],
            "prompt": [start, 1],
            "emotion": ["70", 0],
            "strength": 1.0,
            "method": "phrase",
        },
    }
    sampler["positive"] = ["71", 0]


def a_second_sampler(graph: Graph) -> None:
    sampler = only(graph, "KSampler")
    graph["72"] = copy.deepcopy(graph[sampler])
    graph["72"]["inputs"] |= {"latent_image": [sampler, 0], "seed": 5, "denoise": 0.4}
    graph[only(graph, "VAEDecode")]["inputs"]["samples"] = ["72", 0]


WRONG: dict[str, tuple[Callable[[Graph], None], str]] = {
    "prompt": (set_input("CLIPTextEncode", "text", "a boat"), "the prompt output of Start"),
    "seed": (set_input("KSampler", "seed", 3), "the seed output of Start"),
    "candidates": (set_input("EmptySD3LatentImage", "batch_size", ["73", 0]), "the candidates"),
    "own number": (set_input("EmptySD3LatentImage", "batch_size", 5), "makes 5 pictures, .* 2"),
    "own seed": (a_second_sampler, "KSampler #72 has a seed of its own"),
    "aim": (set_input("EmoFB_StartLoop", "steer", "both"), "Nothing .* takes the aim"),
    "another feeling": (another_feeling, "EncodeEmotion #71 aims at another emotion"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_wire_is_told_on_the_start_of_its_loop(wiring: ModuleType, name: str) -> None:
    change, message = WRONG[name]
    graph = workflow("feedback_loop")
    graph["73"] = {"class_type": "PrimitiveInt", "inputs": {"value": 2}}
    change(graph)
    told = wiring.wiring_warnings(graph)
    assert list(told) == [only(graph, "EmoFB_StartLoop")]
    (line,) = told[only(graph, "EmoFB_StartLoop")]
    assert re.search(message, line), line


def test_an_aim_that_is_taken_is_no_alarm_and_reaches_the_body(wiring: ModuleType) -> None:
    graph = workflow("feedback_loop")
    another_feeling(graph)
    start = only(graph, "EmoFB_StartLoop")
    graph["71"]["inputs"]["emotion"] = [start, wiring.AIM]
    graph[start]["inputs"]["steer"] = "aim"
    assert wiring.wiring_warnings(graph) == {}


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_no_shipped_workflow_raises_an_alarm(wiring: ModuleType, file: Path) -> None:
    assert wiring.wiring_warnings(json.loads(file.read_text(encoding="utf-8"))) == {}


def test_the_same_feeling_and_numbers_by_hand_are_well(wiring: ModuleType) -> None:
    graph = workflow("feedback_loop")
    another_feeling(graph)
    graph["71"]["inputs"]["emotion"] = [only(graph, "EmoFB_StartLoop"), 4]
    graph[only(graph, "EmptySD3LatentImage")]["inputs"]["batch_size"] = 2
    assert wiring.wiring_warnings(graph) == {}
    graph["71"]["inputs"]["emotion"] = graph[only(graph, "EmoFB_StartLoop")]["inputs"]["target"]
    assert wiring.wiring_warnings(graph) == {}


def test_a_picture_that_is_drawn_before_the_loop_has_a_seed_of_its_own(wiring: ModuleType) -> None:
    graph = drawn_twin(workflow("edit_feedback_loop"))
    assert any(node["inputs"].get("seed") == 3 for node in graph.values())
    assert wiring.wiring_warnings(graph) == {}


@pytest.mark.parametrize("prompt", [{}, {"1": None}, {"1": {"class_type": "EmoFB_StartLoop"}}])
def test_what_is_no_graph_is_left_to_the_server(wiring: ModuleType, prompt: Any) -> None:
    assert wiring.wiring_warnings(prompt) == {}


def test_too_many_words_are_told_by_the_node_that_encodes_them(
    pack_nodes: dict[str, type], caplog: pytest.LogCaptureFixture
) -> None:
    clip = pack_nodes["EmoFB_LoadEmbedded"].execute().args[1]
    clip.tokenize("a boat on the sea " * 6)
    assert caplog.text == ""
    clip.tokenize("a boat on the sea " * 80)
    assert "these words need 14 x 30 tokens" in caplog.text
