"""Every node run with hostile values, as links and other packs hand them past ComfyUI's checks."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from random import Random
from types import SimpleNamespace
from typing import Any

import torch

from launcher.comfyui import ensure_tree
from launcher.places import Places

from ..help.pack import load_pack

Nodes = Mapping[str, Any]
IN_A_GRAPH = {"EmoFB_EndLoop"}
"""Runs only between the nodes of a graph; tests/server/test_bad_graphs.py wires it wrongly."""
SLOW = {"EmoFB_EmotionFeedback": 12, "EmoFB_EmotionSampler": 4, "EmoFB_ScoreFolder": 2}
"""Run in one of so many turns."""
SMALL = {
    "rounds": 1, "candidates": 1, "steps": 1, "width": 64, "height": 64, "size": 320, "side": 2,
    "points": 3, "limit": 9, "sampler_name": "euler", "scheduler": "simple", "prompt": "a boat",
    "text": "a boat", "texts": "", "resume": "", "folder": "", "table": "a.csv",
    "method": "adapter", "lexicon": "phrase table",
}  # fmt: skip
ASKED_WORK = {"steps"}
"""A huge number of them is so much work, as with ComfyUI's own samplers, and no error."""
WHOLE = (-(2**70), -1, 0, 1, 2, 7, 2**31, 2**63)
REAL = (math.nan, math.inf, -math.inf, -1.0, 0.0, 0.5, 9.0, 1e308, -5e-324)
TEXTS = (
    "", " ", "\0", "\ud800", "a" * 20_000, "../../etc/passwd", "{a|b}", "7, 3", "1e999 1",
    "nan nan", "é" * 300, "sad", "a, b; c", "/", "[]",
)  # fmt: skip


class Parts:
    """What goes over the sockets: ordinary values of the embedded models, and hostile ones."""

    def __init__(self, nodes: Nodes) -> None:
        home = nodes["EmoFB_EmotionTarget"].__module__.rsplit(".nodes.", 1)[0]
        self.typed: type[Exception] = import_module(f"{home}.emofeedback.errors").EmoFeedbackError
        records = f"{home}.emofeedback.records"
        emotion = import_module(f"{records}.emotion").Emotion
        unread = import_module(f"{records}.reading").Unread(why="the model refused")
        images = torch.rand(2, 32, 32, 3, generator=torch.Generator().manual_seed(0))
        model, clip, vae, scorer = nodes["EmoFB_LoadEmbedded"].execute().args
        readings = tuple(scorer.explain(images))
        wanted = emotion(1.0, -1.0)
        nodes["EmoFB_StartLoop"].hidden = SimpleNamespace(dynprompt=None)
        begun = nodes["EmoFB_StartLoop"].execute("a boat", wanted, 0, rounds=2, candidates=2)
        state = begun.args[0]
        scored = nodes["EmoFB_ScoreRound"].execute(state, images, scorer).args[0]
        anchors = nodes["EmoFB_EncodeAnchors"].execute(clip, "a boat", "4", "").args[0]
        latent = {"samples": torch.zeros(1, 16, 8, 8)}
        bad = [
            images[:0], images[:1], images[:, :1, :1], images * math.nan, images[0],
            images[..., :1], images[..., :2], torch.cat((images, images[..., :1]), -1),
            images.half(), images.to(torch.uint8), images * 5, None,
        ]  # fmt: skip
        self.ordinary: dict[str, list[Any]] = {
            "EMO_EMOTION": [wanted], "EMO_READINGS": [readings], "EMO_SCORER": [scorer],
            "EMO_STATE": [state, scored], "IMAGE": [images], "LATENT": [latent],
            "CONDITIONING": [anchors], "MODEL": [model], "CLIP": [clip], "VAE": [vae],
        }  # fmt: skip
        self.hostile: dict[str, list[Any]] = {
            **self.ordinary,
            "EMO_EMOTION": [emotion(-3, 3), emotion(0, 0)],
            "EMO_READINGS": [(), (unread, unread), (unread, readings[0]), readings[:1]],
            "IMAGE": bad,
            "LATENT": [
                {"samples": torch.zeros(shape)} for shape in ((0, 16, 8, 8), (2, 16, 8, 8))
            ],
            "CONDITIONING": [
                [], [[None, {}]], [[anchors[0][0] * math.nan, {}]], [[anchors[0][0], {}]],
            ],
            "CLIP": [None], "VAE": [None],
        }  # fmt: skip


def nodes_wrong(nodes: Nodes, count: int, chance: Random) -> tuple[int, Counter[str]]:
    """Every node in turn, with one or two hostile values: exceptions that are not ours."""
    parts, faults = Parts(nodes), Counter[str]()
    tried = [node_id for node_id in nodes if node_id not in IN_A_GRAPH]
    with _own_folders():
        for number in range(count):
            turn, place = divmod(number, len(tried))
            node_id = tried[place]
            if turn % SLOW.get(node_id, 1):
                continue
            inputs, hostile = _inputs(nodes[node_id].GET_SCHEMA(), parts, chance)
            try:
                with torch.inference_mode():
                    nodes[node_id].execute(**inputs)
            except parts.typed:
                pass
            except Exception as error:  # noqa: BLE001  what is looked for
                told = ", ".join(f"{name} = {inputs[name]!r:.60}" for name in hostile)
                faults[f"{node_id} with {told}: {type(error).__name__}: {error!s:.80}"] += 1
    return count, faults


def pack_wrong(count: int, chance: Random) -> tuple[int, Counter[str]]:
    """The same with the pack as ComfyUI loads it."""
    nodes, _ = load_pack(ensure_tree(Places.from_environment()))
    return nodes_wrong(nodes, count, chance)


def _inputs(schema: Any, parts: Parts, chance: Random) -> tuple[dict[str, Any], list[str]]:
    """Values of all inputs, and the names of those that are hostile."""
    needed = [item for item in schema.inputs if not item.optional or chance.random() < 0.5]
    values = {item.id: _ordinary(item, parts, chance) for item in needed}
    hostile = chance.sample(needed, min(len(needed), chance.randint(1, 2)))
    for item in hostile:
        values[item.id] = _hostile(item, parts, chance)
    if schema.is_input_list:
        values = {name: [value] * chance.choice((1, 1, 2)) for name, value in values.items()}
    return values, [item.id for item in hostile]


def _ordinary(item: Any, parts: Parts, chance: Random) -> Any:
    kind = item.get_io_type()
    if kind == "COMFY_DYNAMICCOMBO_V3":
        option = chance.choice(item.options)
        return {item.id: option.key,
                **{each.id: _ordinary(each, parts, chance) for each in option.inputs}}  # fmt: skip
    if kind in parts.ordinary:
        return chance.choice(parts.ordinary[kind])
    if item.id in SMALL:
        return SMALL[item.id]
    if kind == "COMBO":
        return item.options[0] if item.options else "gone"
    if kind not in ("INT", "FLOAT", "STRING", "BOOLEAN"):
        return None  # a socket of a model that does not ship
    return item.default if item.default is not None else ""


def _hostile(item: Any, parts: Parts, chance: Random) -> Any:
    kind = item.get_io_type()
    if kind == "COMFY_DYNAMICCOMBO_V3":
        made = _ordinary(item, parts, chance)
        option = next(option for option in item.options if option.key == made[item.id])
        for each in option.inputs[:]:
            if chance.random() < 0.4:
                made[each.id] = _hostile(each, parts, chance)
        return made
    if kind in parts.hostile:
        return chance.choice(parts.hostile[kind])
    if kind == "INT":
        return _ordinary(item, parts, chance) if item.id in ASKED_WORK else chance.choice(WHOLE)
    if kind == "FLOAT":
        return chance.choice(REAL)
    if kind == "COMBO":
        return chance.choice((*item.options, *TEXTS))
    return chance.choice(TEXTS) if kind == "STRING" else _ordinary(item, parts, chance)


@contextmanager
def _own_folders() -> Iterator[None]:
    """ComfyUI's folders of pictures lie in a place that is removed."""
    import folder_paths

    before = folder_paths.get_input_directory(), folder_paths.get_output_directory()
    with tempfile.TemporaryDirectory() as made:
        folder_paths.set_input_directory(made)
        folder_paths.set_output_directory(made)
        try:
            yield
        finally:
            folder_paths.set_input_directory(before[0])
            folder_paths.set_output_directory(before[1])
