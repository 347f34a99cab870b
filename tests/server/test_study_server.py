"""A study's painter on a real server: the user's graph paints what a system asks for."""

from pathlib import Path

import torch

from emofeedback.records.emotion import Emotion
from emofeedback.study.comfy_graph import AIM, START, GraphPainter, load_graph
from tools.comfy_client import Comfy, only


def test_a_graph_paints_as_many_as_asked_by_seed(default_comfy: Comfy, project_root: Path) -> None:
    graph = load_graph(project_root / "workflows" / "api" / "feedback_loop.json")
    for node in graph.values():
        if node["class_type"] == "KSampler":
            node["inputs"]["steps"] = 2
    paint = GraphPainter(graph, default_comfy.server.url, Emotion(2, 1), timeout_s=120)
    first, again, other = (paint(["a boat on the sea"] * 2, seed) for seed in (5, 5, 6))
    assert first.shape == (2, 256, 256, 3)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_aim_that_a_study_steers_reaches_what_paints(
    default_comfy: Comfy, project_root: Path
) -> None:
    graph = load_graph(project_root / "workflows" / "api" / "feedback_loop.json")
    start, sampler = only(graph, START), graph[only(graph, "KSampler")]["inputs"]
    words = graph[sampler["positive"][0]]
    words["class_type"] = "EmoFB_EncodeEmotion"
    words["inputs"] = {
        "clip": words["inputs"]["clip"], "prompt": [start, 1], "emotion": [start, AIM],
        "strength": 1.0, "method": "adapter",
    }  # fmt: skip
    sampler["steps"] = 2
    paint = GraphPainter(graph, default_comfy.server.url, Emotion(2, 2), timeout_s=120)
    pictures = [paint(["a boat on the sea"], 5)]
    for aim in (Emotion(-2, -2), Emotion(2, 2)):
        paint.take_aim(aim)
        pictures.append(paint(["a boat on the sea"], 5))
    assert torch.equal(pictures[0], pictures[2]) and not torch.equal(pictures[0], pictures[1])
