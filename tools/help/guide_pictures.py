"""The pictures of the guides in docs/ that no ComfyUI has to run for."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from emofeedback.pictures.cue_overlay import cue_pictures
from emofeedback.pictures.grid import Answer, error_map_chart, sweep_chart
from emofeedback.plane.metrics import GRID
from emofeedback.records.emotion import Emotion, clipped_emotion
from emofeedback.records.reading import Cue, Reading
from launcher.places import ROOT

from .drawing import draw_columns
from .graphs import Graph
from .pack import NodeFacts

Facts = Mapping[str, NodeFacts]
Drawn = tuple[str, Image.Image, Graph | None]

# Steps of docs/build-your-own-loop.md: columns of nodes, by the keys of the shipped workflow.
STEPS = {
    "guide-loop-start": [["2", "1"], ["3"]],
    "guide-loop-round": [["3"], ["4", "5", "6"], ["7"], ["8"], ["9"]],
    "guide-loop-end": [["3", "8"], ["10"], ["11"], ["12"], ["13", "15"]],
}
SPREAD = 0.35  # of the made-up readings, in scale points
# What a made-up generator makes of a wanted value.
OBEYING = {"obedient": 1.0, "shy": 0.4, "deaf": 0.0}
CUES = (
    Cue("lanterns", "raises valence", "upper part"),
    Cue("mist over calm water", "lowers arousal", "[0, 620, 1000, 980]"),
    Cue("muted blue colours", "lowers arousal", ""),
)


def guide_pictures(facts: Facts) -> Iterator[Drawn]:
    """Name in docs/pictures, picture, and the graph that it shows."""
    loop = _read("feedback_loop")
    for name, columns in STEPS.items():
        yield name, draw_columns(columns, loop, facts), loop
    own = own_model_graph(loop, facts)
    columns = [["20"], ["21", "22"], ["4", "5", "10"], ["7", "11"], ["8", "12"]]
    yield "guide-own-model", draw_columns(columns, own, facts), own
    yield "guide-sweeps", _beside([_sweep(kind) for kind in OBEYING]), None
    yield "guide-error-map", _image(error_map_chart(_answers("shy"), size=760)), None
    yield "guide-cues", _cues(), None


def own_model_graph(loop: Graph, facts: Facts) -> Graph:
    """The loop workflow with a checkpoint and a vision-language model in Load Embedded's place."""
    graph = copy.deepcopy(loop)
    del graph["1"]
    nodes = {
        "20": (
            "CLIPLoader",
            {"clip_name": "your vision model.safetensors", "type": "stable_diffusion"},
        ),
        "21": ("EmoFB_LoadEmotionScorer", _scorer_inputs()),
        "22": ("CheckpointLoaderSimple", {"ckpt_name": "your model.safetensors"}),
    }
    for key, (kind, inputs) in nodes.items():
        graph[key] = {"inputs": inputs, "class_type": kind, "_meta": {"title": facts[kind].title}}
    moved = {0: ["22", 0], 1: ["22", 1], 2: ["22", 2], 3: ["21", 0]}
    for node in graph.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] == "1":
                node["inputs"][name] = moved[value[1]]
    return graph


def _scorer_inputs() -> dict[str, object]:
    return {
        "kind": "ComfyUI CLIP",
        "kind.clip": ["20", 0],
        "kind.reading": "expected value",
        "kind.calibration": "none",
        "kind.prompt_tokens": 150,
    }


def _read(name: str) -> Graph:
    return dict(json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text("utf-8")))


def _answers(kind: str) -> list[Answer]:
    """A 5 x 5 grid as a made-up generator would answer it."""
    random, share = np.random.default_rng(7), OBEYING[kind]
    answers = []
    for arousal in GRID:
        for valence in GRID:
            noise = random.normal(0, SPREAD, 2)
            read, _ = clipped_emotion(share * valence + noise[0], share * arousal + noise[1])
            answers.append(Answer(Emotion(valence, arousal), Reading(emotion=read)))
    return answers


def _sweep(kind: str) -> Image.Image:
    return _image(sweep_chart(_answers(kind), "valence", size=420))


def _cues() -> Image.Image:
    from training.world.render import render
    from training.world.scene import Scene, sample_cues

    random = np.random.default_rng(3)
    scene = Scene("sea", "boat", sample_cues(random, emotion=(1.5, -1.5)), 11)
    pixels = torch.from_numpy(np.asarray(render(scene, 512))).float() / 255
    reading = Reading(emotion=Emotion(*scene.emotion), cues=CUES)
    return _image(cue_pictures(pixels.unsqueeze(0), [reading], size=512))


def _image(picture: Tensor) -> Image.Image:
    return Image.fromarray((picture[0].numpy() * 255).round().astype(np.uint8))


def _beside(pictures: list[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (sum(p.width for p in pictures), pictures[0].height))
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width
    return whole
