"""The smallest graph in which a node does its work, in ComfyUI's API format.

A node of a shipped workflow gets what that workflow needs to feed it; any other gets a usual
provider for each required socket, found by its type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from launcher.places import ROOT

from .pack import NodeFacts, Socket

Graph = dict[str, dict[str, Any]]
Facts = Mapping[str, NodeFacts]

WORKFLOWS = ("feedback_loop", "emotion_grid", "feedback_all_in_one", "emotion_path")
# Who usually gives what: node type and output.
PROVIDERS = {
    "MODEL": ("EmoFB_LoadEmbedded", 0),
    "CLIP": ("EmoFB_LoadEmbedded", 1),
    "VAE": ("EmoFB_LoadEmbedded", 2),
    "EMO_SCORER": ("EmoFB_LoadEmbedded", 3),
    "EMO_EMOTION": ("EmoFB_EmotionTarget", 0),
    "EMO_READINGS": ("EmoFB_ScoreEmotion", 0),
    "EMO_STATE": ("EmoFB_EndLoop", 6),
    "IMAGE": ("LoadImage", 0),
    "LATENT": ("EmptyLatentImage", 0),
    "CONDITIONING": ("EmoFB_EncodeEmotion", 0),
}
# The same by the name of the socket, where its type alone does not tell.
NAMED_PROVIDERS = {
    "positive": ("EmoFB_EncodeAnchors", 0),
    "negative": ("CLIPTextEncode", 0),
}
# Optional sockets that most graphs leave open.
LEFT_OPEN = ("anchors", "refiner", "scorer")
# Who usually takes it: node type and input. A node with several results shows the first of these.
CONSUMERS = {
    "IMAGE": ("PreviewImage", "images"),
    "EMO_SCORER": ("EmoFB_ScoreEmotion", "scorer"),
    "EMO_EMOTION": ("EmoFB_EncodeEmotion", "emotion"),
    "EMO_READINGS": ("EmoFB_SelectByEmotion", "readings"),
    "CLIP": ("EmoFB_EncodeEmotion", "clip"),
    "LATENT": ("VAEDecode", "samples"),
    "MODEL": ("KSampler", "model"),
    "CONDITIONING": ("EmoFB_EmotionSampler", "positive"),
}
# A node with such an input is fed by a whole workflow; its providers come before the usual ones.
BASES: dict[tuple[str, str], tuple[str, dict[str, tuple[str, int]]]] = {
    ("state", "EMO_STATE"): ("feedback_loop", {"IMAGE": ("EmoFB_EndLoop", 1)}),
    ("targets", "EMO_EMOTION"): (
        "emotion_grid",
        {"EMO_EMOTION": ("EmoFB_EmotionGrid", 0), "IMAGE": ("VAEDecode", 0)},
    ),
}
EXAMPLES = {
    "prompt": "a boat on the sea",
    "image": "example.png",
    "name": "drawn_emotion.safetensors",
    "valence": 2.0,
    "arousal": -1.5,
    "width": 256,
    "height": 256,
}
LOOP_END = "EmoFB_EndLoop"


def minimal_graph(node_id: str, ours: Facts, core: Facts) -> tuple[Graph, str]:
    """The graph, and the key of the node in it that it is about."""
    shipped = _from_workflow(node_id)
    if shipped is not None:
        graph, about = shipped
        graph[about]["_meta"]["title"] = ours[node_id].title
        return graph, about
    builder = _Builder({**core, **ours}, node_id)
    key = builder.add(node_id, whole=True)
    builder.show(key)
    return builder.graph, key


def links_of(node: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Input name -> key of the node behind it and its output."""
    return {
        name: (value[0], value[1])
        for name, value in node["inputs"].items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    }


def _origins(node: Mapping[str, Any]) -> set[str]:
    return {origin for origin, _ in links_of(node).values()}


def _from_workflow(node_id: str) -> tuple[Graph, str] | None:
    for name in WORKFLOWS:
        graph: Graph = _read(name)
        for key, node in graph.items():
            if node["class_type"] == node_id:
                ends = {k for k, n in graph.items() if n["class_type"] == LOOP_END}
                takers = {k for k, n in graph.items() if key in _origins(n)}
                return _cut(graph, {key} | (ends or takers)), key
    return None


def _read(name: str) -> Graph:
    text = (ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _cut(graph: Graph, wanted: set[str], *, shown: bool = True) -> Graph:
    """The wanted nodes with all that feeds them, and what directly shows their results."""
    kept: set[str] = set()
    pending = list(wanted)
    while pending:
        key = pending.pop()
        if key not in kept:
            kept.add(key)
            pending += _origins(graph[key])
    origins = {key: _origins(node) for key, node in graph.items()}
    takers = {key for key in graph if shown and origins[key] & wanted and origins[key] <= kept}
    return {key: graph[key] for key in graph if key in kept | takers}


class _Builder:
    """Puts nodes into a graph, one of each type, and feeds them."""

    def __init__(self, facts: Facts, node_id: str) -> None:
        self.facts = facts
        self.graph: Graph = {}
        self.keys: dict[str, str] = {}
        self.providers = dict(PROVIDERS)
        sockets = {(socket.name, socket.kind) for socket in facts[node_id].inputs}
        for wanted, (workflow, providers) in BASES.items():
            if wanted in sockets:
                self.providers |= providers
                self._start_from(workflow, {origin for origin, _ in providers.values()})

    def _start_from(self, workflow: str, wanted: set[str]) -> None:
        graph = _read(workflow)
        ends = {key for key, node in graph.items() if node["class_type"] in wanted}
        self.graph = _cut(graph, ends, shown=False)
        self.keys = {node["class_type"]: key for key, node in self.graph.items()}

    def add(self, node_id: str, *, whole: bool = False) -> str:
        """The key of the node; `whole` also feeds the sockets that may stay open."""
        if node_id in self.keys:
            return self.keys[node_id]
        key = self.keys[node_id] = str(100 + len(self.keys))
        facts, inputs = self.facts[node_id], dict[str, Any]()
        self.graph[key] = {
            "inputs": inputs,
            "class_type": node_id,
            "_meta": {"title": facts.title},
        }
        for socket in facts.inputs:
            if socket.is_widget:
                inputs[socket.name] = EXAMPLES.get(socket.name, socket.default)
            elif not socket.optional or (whole and not _stays_open(facts, socket)):
                origin = NAMED_PROVIDERS.get(socket.name) or self._provider(socket.kind)
                if origin is not None:
                    inputs[socket.name] = [self.add(origin[0]), origin[1]]
        return key

    def show(self, key: str) -> None:
        """Adds what usually takes the node's results, if the graph does not use them yet."""
        used = set().union(*map(_origins, self.graph.values()))
        facts = self.facts[self.graph[key]["class_type"]]
        given = {socket.kind: n for n, socket in reversed(list(enumerate(facts.outputs)))}
        fitting = [
            (taker, given[kind])
            for kind, taker in CONSUMERS.items()
            if kind in given and taker[0] != facts.node_id
        ]
        if key not in used and fitting:
            (node_id, name), number = fitting[0]
            self.graph[self.add(node_id)]["inputs"][name] = [key, number]

    def _provider(self, kind: str) -> tuple[str, int] | None:
        if kind in self.providers:
            return self.providers[kind]
        for node_id, facts in self.facts.items():
            for number, output in enumerate(facts.outputs):
                if output.kind == kind:
                    return node_id, number
        return None


def _stays_open(facts: NodeFacts, socket: Socket) -> bool:
    """Of the optional ones; beside a loop's state also its readings and its target."""
    has_state = any(each.kind == "EMO_STATE" for each in facts.inputs)
    return socket.name in LEFT_OPEN or (has_state and socket.kind != "EMO_STATE")
