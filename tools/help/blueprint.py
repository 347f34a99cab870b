"""The loop as one block for the node library, out of workflows/feedback_loop.json.

A subgraph blueprint is a workflow with a single node whose type is the id of a subgraph in the same
file (ComfyUI's workflow format 0.4); ComfyUI lists `subgraphs/NAME.json` of every pack.
"""

from __future__ import annotations

import copy
import uuid
from typing import Any

NAME = "Emotion feedback loop"
DESCRIPTION = (
    "Makes pictures, reads their emotion, rewrites the prompt and goes round until the wanted "
    "emotion is reached. Open the block to put in your own sampler."
)
ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "emofeedback/subgraphs/feedback-loop"))
INSIDE = (
    "EmoFB_StartLoop", "CLIPTextEncode", "EmptySD3LatentImage", "KSampler", "VAEDecode",
    "EmoFB_ScoreRound", "EmoFB_RefineRound", "EmoFB_EndLoop",
)  # fmt: skip
# What the block shows of the nodes inside: (node type, its title, widget), and of another name.
WIDGETS = (
    ("EmoFB_StartLoop", "", "prompt"),
    ("CLIPTextEncode", "What to avoid", "text"),
    ("EmoFB_StartLoop", "", "rounds"),
    ("EmoFB_StartLoop", "", "candidates"),
    ("EmoFB_StartLoop", "", "tolerance"),
    ("EmoFB_StartLoop", "", "seed"),
    ("EmptySD3LatentImage", "", "width"),
    ("EmptySD3LatentImage", "", "height"),
    ("KSampler", "", "steps"),
    ("KSampler", "", "cfg"),
)
NAMES = {("CLIPTextEncode", "text"): "what to avoid"}
# Names on the block's edge, by the socket type of what comes in.
EDGE = {
    "EMO_EMOTION": "emotion", "CLIP": "clip", "MODEL": "model", "VAE": "vae",
    "EMO_SCORER": "scorer",
}  # fmt: skip
INPUT_NODE, OUTPUT_NODE = -10, -20

Workflow = dict[str, Any]


def blueprint(workflow: Workflow) -> Workflow:
    """The block, as ComfyUI's page saves one."""
    workflow = copy.deepcopy(workflow)
    inside = [node for node in workflow["nodes"] if node["type"] in INSIDE]
    graph = _Cut(workflow, inside)
    block = {
        "id": 1,
        "type": ID,
        "pos": [0, 0],
        "size": [320, 520],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [
            {"name": e["name"], "type": e["type"], "link": None, **graph.shown.get(e["name"], {})}
            for e in graph.inputs
        ],
        "outputs": [{"name": e["name"], "type": e["type"], "links": []} for e in graph.outputs],
        "properties": {},
        "widgets_values": graph.values,
        "title": NAME,
    }
    return {
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [block],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [_definition(graph)]},
        "extra": {},
    }


class _Cut:
    """The nodes inside, and what crosses the edge of the block."""

    def __init__(self, workflow: Workflow, inside: list[dict[str, Any]]) -> None:
        self.nodes = inside
        self.links: list[dict[str, Any]] = []
        self.inputs: list[dict[str, Any]] = []
        self.outputs: list[dict[str, Any]] = []
        ids = {node["id"] for node in inside}
        self.last_link = max(link[0] for link in workflow["links"])
        for number, origin, slot, target, target_slot, kind in workflow["links"]:
            if target in ids:
                crossing = self._cross_in(kind, number) if origin not in ids else (origin, slot)
                self._link(number, crossing, (target, target_slot), kind)
        self.shown: dict[str, dict[str, Any]] = {}
        self.values: list[Any] = []
        for kind, title, widget in WIDGETS:
            self._show_widget(
                next(n for n in inside if n["type"] == kind and title in ("", n.get("title"))),
                widget,
            )
        self._hand_out(next(node for node in inside if node["type"] == "EmoFB_EndLoop"))
        kept = {link["id"] for link in self.links}
        for node in inside:
            for output in node["outputs"]:
                output["links"] = [n for n in output["links"] or [] if n in kept] or None
        self._show_handed_out()

    def _cross_in(self, kind: str, number: int) -> tuple[int, int]:
        """Where a link from outside starts: a socket of the block, one for each type."""
        for slot, entry in enumerate(self.inputs):
            if entry["type"] == kind:
                entry["linkIds"].append(number)
                return INPUT_NODE, slot
        self.inputs.append(_edge(EDGE[kind], kind, [number]))
        return INPUT_NODE, len(self.inputs) - 1

    def _show_widget(self, node: dict[str, Any], widget: str) -> None:
        """A widget on the block, which feeds the one inside."""
        socket = next(i for i, entry in enumerate(node["inputs"]) if entry["name"] == widget)
        kind = node["inputs"][socket]["type"]
        name = NAMES.get((node["type"], widget), widget)
        self.last_link += 1
        node["inputs"][socket]["link"] = self.last_link
        self._link(self.last_link, (INPUT_NODE, len(self.inputs)), (node["id"], socket), kind)
        self.inputs.append(_edge(name, kind, [self.last_link]))
        self.shown[name] = {"label": name, "widget": {"name": name}}
        self.values.append(_value_of(node, widget))

    def _hand_out(self, end: dict[str, Any]) -> None:
        for slot, output in enumerate(end["outputs"]):
            self.last_link += 1
            self._link(self.last_link, (end["id"], slot), (OUTPUT_NODE, slot), output["type"])
            self.outputs.append(_edge(output["name"], output["type"], [self.last_link]))

    def _show_handed_out(self) -> None:
        for link in self.links:
            if link["target_id"] == OUTPUT_NODE:
                node = next(node for node in self.nodes if node["id"] == link["origin_id"])
                node["outputs"][link["origin_slot"]]["links"] = [link["id"]]

    def _link(self, number: int, start: tuple[int, int], end: tuple[int, int], kind: str) -> None:
        self.links.append(
            {
                "id": number,
                "origin_id": start[0],
                "origin_slot": start[1],
                "target_id": end[0],
                "target_slot": end[1],
                "type": kind,
            }
        )


def _value_of(node: dict[str, Any], widget: str) -> Any:
    """A widget's value; behind a seed the file also holds what becomes of it after a run."""
    names = []
    for entry in node["inputs"]:
        if "widget" in entry:
            names += [entry["name"], None] if entry["name"] == "seed" else [entry["name"]]
    return node["widgets_values"][names.index(widget)]


def _edge(name: str, kind: str, links: list[int]) -> dict[str, Any]:
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"{ID}/{name}/{kind}")
    return {"id": str(number), "name": name, "type": kind, "linkIds": links, "label": name}


def _definition(graph: _Cut) -> dict[str, Any]:
    left = min(node["pos"][0] for node in graph.nodes)
    right = max(node["pos"][0] + node["size"][0] for node in graph.nodes)
    return {
        "id": ID,
        "version": 1,
        "state": {
            "lastGroupId": 0,
            "lastNodeId": max(node["id"] for node in graph.nodes),
            "lastLinkId": graph.last_link,
            "lastRerouteId": 0,
        },
        "revision": 0,
        "config": {},
        "name": NAME,
        "inputNode": {"id": INPUT_NODE, "bounding": [left - 220, 300, 120, 140]},
        "outputNode": {"id": OUTPUT_NODE, "bounding": [right + 100, 500, 120, 180]},
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "widgets": [],
        "nodes": graph.nodes,
        "groups": [],
        "links": graph.links,
        "extra": {},
        "category": "emotion",
        "description": DESCRIPTION,
    }
