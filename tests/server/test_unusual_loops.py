"""Graphs that people build: lists in a loop, ids with dots, loops side by side, any script."""

import json

import pytest

from tools.comfy_client import Comfy, Graph

POLICY = {
    "rounds": 2, "candidates": 3, "tolerance": 0.0, "time_budget_s": 0.0,
    "seed_policy": "per round", "content_floor": 0.0,
}  # fmt: skip
THAI = (
    "\u0e40\u0e23\u0e37\u0e2d\u0e25\u0e33\u0e2b\u0e19\u0e36\u0e48\u0e07" * 60
)  # written without spaces
CHINESE = "\u6d77\u4e0a\u6709\u4e00\u8258\u8239\uff0c" * 100


def loop(prefix: str, seed: int, prompt: str = "a boat", patience: int = 0) -> Graph:
    """A loop over plain pictures, whose seed is their colour; `patience` changes nothing here."""
    named = {
        "target": ("EmoFB_EmotionTarget", {"valence": 2.0, "arousal": -1.0, "preset": "custom"}),
        "open": ("EmoFB_StartLoop", {
            **POLICY, "prompt": prompt, "seed": seed, "target": "target", "patience": patience,
            "first_prompt": "as written",
        }),
        "draw": ("EmptyImage", {
            "width": 64, "height": 64, "batch_size": ("open", 3), "color": ("open", 2)}),
        "models": ("EmoFB_LoadEmbedded", {}),
        "score": ("EmoFB_ScoreRound", {
            "state": "open", "images": "draw", "scorer": ("models", 3), "explain": False}),
        "refine": ("EmoFB_RefineRound", {"state": "score"}),
        "end": ("EmoFB_EndLoop", {"start": "open", "state": "refine"}),
        "show": ("PreviewImage", {"images": ("end", 1)}),
    }  # fmt: skip

    def linked(value: object) -> object:
        if isinstance(value, tuple):
            return [prefix + value[0], value[1]]
        return [prefix + value, 0] if value in named else value

    return {
        prefix + name: {"class_type": kind, "inputs": {k: linked(v) for k, v in inputs.items()}}
        for name, (kind, inputs) in named.items()
    }


def rebatched(*sizes: int) -> Graph:
    """A loop whose pictures, of two colours, are cut into batches of each size in turn."""
    graph = loop("", 300)
    graph["more"] = {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 7},
    }
    graph["both"] = {
        "class_type": "ImageBatch",
        "inputs": {"image1": ["draw", 0], "image2": ["more", 0]},
    }
    last = "both"
    for size in sizes:
        node = {
            "class_type": "RebatchImages",
            "inputs": {"images": [last, 0], "batch_size": size},
        }
        last = f"batch of {size}"
        graph[last] = node
    graph["score"]["inputs"]["images"] = [last, 0]
    return graph


def test_a_list_of_pictures_is_refused_until_it_is_one_batch(default_comfy: Comfy) -> None:
    one_by_one = default_comfy.run(rebatched(1))
    assert "pictures of round 1 one by one" in one_by_one.message
    assert "batch_size of 3 or more" in one_by_one.message
    whole = default_comfy.run(rebatched(1, 8))
    assert whole.end == "execution_success", whole.message
    assert [len(record["readings"]) for record in whole.report["rounds"]] == [4, 4]


def story(report: dict) -> list[str]:
    """What a loop did, without its times."""
    parts = ("prompt", "seed", "best", "gap")
    return [str([record[name] for name in parts]) for record in report["rounds"]]


def test_ids_with_dots_whose_ends_are_equal_stay_apart(default_comfy: Comfy) -> None:
    graph = loop("my.loop.", 310)
    for name in [name for name in graph if name != "my.loop.show"]:
        _rename(graph, name, f"{name}.1")
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    assert run.runs_of("EmptyImage") == 2
    assert story(run.report) == story(default_comfy.run(loop("", 310, patience=9)).report)


def test_loops_side_by_side_know_nothing_of_each_other(default_comfy: Comfy) -> None:
    both = default_comfy.run(loop("a ", 321) | loop("b ", 322))
    assert both.end == "execution_success", both.message
    told = [story(json.loads(report)) for report in both.outputs_of("emofb_report")]
    alone = [default_comfy.run(loop("", seed, patience=9)) for seed in (321, 322)]
    assert sorted(told) == sorted(story(run.report) for run in alone)


@pytest.mark.parametrize("prompt", [THAI, CHINESE], ids=["Thai", "Chinese"])
def test_long_words_without_spaces_go_round(default_comfy: Comfy, prompt: str) -> None:
    run = default_comfy.run(loop("", 330, prompt))
    assert run.end == "execution_success", run.message
    assert all(record["prompt"].startswith(prompt) for record in run.report["rounds"])


def _rename(graph: Graph, old: str, new: str) -> None:
    graph[new] = graph.pop(old)
    for node in graph.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] == old:
                node["inputs"][name] = [new, value[1]]
