"""Load Emotion Scorer on a real server: its dynamic inputs, caching, and messages."""

import pytest

from tools.comfy_client import Comfy, Graph


def scoring(kind: str, **inputs: object) -> Graph:
    """Two pictures read by a scorer; a scorer of two reads with the embedded one as both."""
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 64, "batch_size": 2, "color": 0x204080},
        },
        "2": {
            "class_type": "EmoFB_LoadEmotionScorer",
            "inputs": {"kind": kind, **{f"kind.{name}": value for name, value in inputs.items()}},
        },
        "3": {"class_type": "EmoFB_LoadEmotionScorer", "inputs": {"kind": "embedded"}},
        "4": {"class_type": "EmoFB_ScoreEmotion", "inputs": {
            "images": ["1", 0], "scorer": ["2", 0], "prompt": "", "explain": False}},
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["4", 1]}},
    }  # fmt: skip


READING = {"reading": "expected value", "calibration": "none", "prompt_tokens": 150}


def test_two_scorers_read_and_are_not_loaded_again(default_comfy: Comfy) -> None:
    graph = scoring("two scorers", first=["3", 0], second=["3", 0])
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    (shown,) = run.outputs["5"]["text"]
    assert "valence" in shown and "disagree" not in shown
    graph["1"]["inputs"]["color"] = 0x804020
    assert default_comfy.run(graph).runs_of("EmoFB_LoadEmotionScorer") == 0
    default_comfy.post("/free", {"unload_models": True, "free_memory": True})
    assert default_comfy.run(graph).end == "execution_success"


@pytest.mark.parametrize(
    ("kind", "inputs", "message"),
    [
        (
            "server",
            {
                "url": "http://10.0.0.1/v1",
                "model_name": "m",
                "timeout": 5.0,
                "at_once": 1,
                **READING,
            },
            "10.0.0.1:80 may not be called",
        ),
        (
            "model folder",
            {"model": "gone", "adapter": "none", "keep_loaded": True, **READING},
            "no model 'gone' in",
        ),
        (
            "picture encoder + head",
            {"head": "gone.safetensors", "encoder": "as the head says"},
            "no head 'gone.safetensors' in",
        ),
        ("telepathy", {}, "kind of scorer is unknown"),
    ],
)
def test_what_cannot_be_loaded_says_so_and_the_server_lives(
    default_comfy: Comfy, kind: str, inputs: dict, message: str
) -> None:
    run = default_comfy.run(scoring(kind, **inputs))
    assert run.end != "execution_success"
    assert message in run.message
