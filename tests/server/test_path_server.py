"""Emotion Path on a real server: one batch or a list, animations, and inputs that cannot work."""

import io
import re
from urllib.parse import urlencode

import pytest
from PIL import Image

from tools.comfy_client import Comfy, Graph, only, workflow

POINTS = 3


def picture(comfy: Comfy, saved: dict[str, str]) -> Image.Image:
    return Image.open(io.BytesIO(comfy.server.read(f"/view?{urlencode(saved)}")))


def test_a_path_in_one_batch_leaves_an_animation_and_a_sheet(default_comfy: Comfy) -> None:
    run = default_comfy.run(workflow("emotion_path"))
    assert run.end == "execution_success", run.message
    (animation,) = run.images("path_")
    assert picture(default_comfy, animation).n_frames == POINTS
    (sheet,) = run.images("sheet_")
    assert picture(default_comfy, sheet).size == (1024, 1024)


def test_the_same_path_as_a_list_gives_core_nodes_a_picture_each_and_then_a_video(
    default_comfy: Comfy,
) -> None:
    graph = workflow("emotion_path")
    sampler, decoded = graph[only(graph, "KSampler")]["inputs"], only(graph, "VAEDecode")
    sampler["positive"] = [only(graph, "EmoFB_EncodeEmotion"), 0]
    sampler["latent_image"] = [only(graph, "EmptySD3LatentImage"), 0]
    count = [only(graph, "EmoFB_EmotionPath"), 2]
    graph |= {
        "90": {"class_type": "SaveImage", "inputs": {
            "images": [decoded, 0], "filename_prefix": "each"}},
        "91": {"class_type": "RebatchImages", "inputs": {
            "images": [decoded, 0], "batch_size": count}},
        "92": {"class_type": "CreateVideo", "inputs": {"images": ["91", 0], "fps": 6.0}},
        "93": {"class_type": "SaveVideo", "inputs": {
            "video": ["92", 0], "filename_prefix": "film", "format": "auto", "codec": "auto"}},
    }  # fmt: skip
    del graph[only(graph, "SaveAnimatedWEBP")], graph[only(graph, "EmoFB_BatchConditionings")]
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    assert len(run.images("each_")) == POINTS
    assert len(run.images("film_")) == len(run.images("sheet_")) == 1


def path_graph(**inputs: object) -> Graph:
    shape = {"shape": "spline", "shape.stations": "sad, calm", "shape.closed": False}
    return {
        "1": {"class_type": "EmoFB_EmotionPath", "inputs": {
            "points": 3, "limit": 100, **shape, **inputs}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 1]}},
    }  # fmt: skip


CIRCLE = {"shape": "circle", "shape.start_degrees": 0.0, "shape.clockwise": False}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"points": 5000}, "5000 points, and each is one whole picture: 5000 times.*limit is 100"),
        ({"points": 1}, "1 points; it needs two or more"),
        ({"shape.stations": "sad, grumpy"}, "emotion word is 'grumpy'.*Known words"),
        ({"shape.stations": "sad, nan 0"}, "valence is nan"),
        ({**CIRCLE, "shape.radius": float("nan")}, "radius is nan"),
        ({"shape": "zigzag"}, "shape of the path is unknown|zigzag"),
    ],
)
def test_a_path_that_cannot_work_gets_a_message_and_the_server_lives(
    default_comfy: Comfy, inputs: dict, message: str
) -> None:
    run = default_comfy.run(path_graph(**inputs))
    assert run.end != "execution_success"
    assert re.search(message, run.message, re.DOTALL), run.message
    assert default_comfy.run(path_graph()).end == "execution_success"
