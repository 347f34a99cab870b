"""The pack's nodes and ComfyUI's own, loaded in this process, described alike."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.places import ROOT

PACK = "custom_nodes.emofeedback"
"""The module that ComfyUI imports this repository as."""
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3")


@dataclass(frozen=True)
class Socket:
    """An input or an output; `options` is what ComfyUI tells the page about an input."""

    name: str
    kind: str
    optional: bool = False
    options: Mapping[str, Any] | None = None

    @property
    def is_widget(self) -> bool:
        return self.kind in WIDGETS and not (self.options or {}).get("forceInput")

    @property
    def default(self) -> Any:
        """What the widget starts with."""
        options = self.options or {}
        choices = list(options.get("options") or ())
        if self.kind == "COMFY_DYNAMICCOMBO_V3":  # the choice that asks for nothing more
            asking = [any(each["inputs"].values()) for each in choices]
            choices = [each["key"] for _, each in sorted(zip(asking, choices), key=lambda p: p[0])]
        blank = {"STRING": "", "BOOLEAN": False, "INT": 0, "FLOAT": 0.0}.get(self.kind, "")
        return options.get("default", choices[0] if choices else blank)


@dataclass(frozen=True)
class NodeFacts:
    """A node type as a picture of it needs it."""

    node_id: str
    title: str
    inputs: tuple[Socket, ...]
    outputs: tuple[Socket, ...]


def facts_of(node_id: str, node: Any, title: str = "") -> NodeFacts:
    """Reads a node class of either API."""
    if hasattr(node, "GET_NODE_INFO_V1"):
        info = node.GET_NODE_INFO_V1()
        groups, kinds = info["input"], info["output"]
        names, title = info["output_name"] or kinds, info["display_name"]
    else:
        groups, kinds = node.INPUT_TYPES(), node.RETURN_TYPES
        names = getattr(node, "RETURN_NAMES", kinds)
    return NodeFacts(
        node_id,
        title or node_id,
        tuple(
            _socket(name, spec, optional=group == "optional")
            for group in ("required", "optional")
            for name, spec in (groups.get(group) or {}).items()
        ),
        tuple(Socket(name, kind) for name, kind in zip(names, kinds, strict=True)),
    )


def _socket(name: str, spec: Any, *, optional: bool) -> Socket:
    kind, options = spec[0], dict(spec[1]) if len(spec) > 1 else {}
    if isinstance(kind, list):  # ComfyUI's older way to write a choice
        kind, options = "COMBO", {"options": kind, **options}
    return Socket(name, kind, optional, options)


def load_pack(tree: Path) -> tuple[dict[str, Any], Any]:
    """Node id -> node class of the pack, and ComfyUI's own nodes.py."""
    sys.path.insert(0, str(tree))
    from comfy.cli_args import args

    args.cpu = True
    core = importlib.import_module("nodes")
    spec = importlib.util.spec_from_file_location(
        PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    pack = sys.modules[PACK] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)

    async def collect() -> dict[str, Any]:
        nodes = await (await pack.comfy_entrypoint()).get_node_list()
        return {node.GET_SCHEMA().node_id: node for node in nodes}

    return asyncio.run(collect()), core


def pack_facts(nodes: Mapping[str, Any]) -> dict[str, NodeFacts]:
    """Facts of the pack's node classes."""
    return {node_id: facts_of(node_id, node) for node_id, node in nodes.items()}


def core_facts(core: Any) -> dict[str, NodeFacts]:
    """Facts of the nodes that a graph of ours may need from ComfyUI."""
    titles = core.NODE_DISPLAY_NAME_MAPPINGS
    wanted = {
        *("CLIPTextEncode", "KSampler", "VAEDecode", "EmptyLatentImage"),
        *("LoadImage", "PreviewImage", "SaveImage", "CheckpointLoaderSimple", "CLIPLoader"),
    }
    return {
        node_id: facts_of(node_id, core.NODE_CLASS_MAPPINGS[node_id], titles.get(node_id, node_id))
        for node_id in sorted(wanted)
    }
