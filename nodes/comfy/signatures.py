"""What feeds an input, as one string: equal strings mean that the same values arrive.

ComfyUI's own cache keys would not do: they name the loop's open node with all its settings, while a
round's pictures depend on its outputs alone.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from comfy_execution.graph_utils import is_link
from comfy_execution.utils import get_executing_context

from .loop_graph import LOOP_CLASSES, LoopGraph, gives_lists, node_class

Outputs = Callable[[int], Any]
"""What stands for an output of an open node, by its index."""


class NoSignature(Exception):
    """What feeds the input may differ from run to run, or cannot be told."""


def signature_of(graph: LoopGraph, link: object, opened: Mapping[str, Outputs]) -> str:
    """Names everything that feeds a link: classes, settings, files behind them, wiring.

    Args:
        link: [node id, output index].
        opened: open nodes, which their outputs stand for.
    Raises: NoSignature: a node gives lists, differs from run to run, or holds what has no text.
    """
    places: dict[str, int] = {}
    entries: list[Any] = []

    def place(node_id: str) -> int:
        if node_id not in places:
            places[node_id] = len(places)
            entries.append((places[node_id], _immediate(graph, node_id), linked(node_id)))
        return places[node_id]

    def linked(node_id: str) -> list[Any]:
        inputs = graph.inputs(node_id)
        return [(name, followed(inputs[name])) for name in sorted(inputs) if is_link(inputs[name])]

    def followed(each: Any) -> Any:
        node_id, output = each
        if node_id in opened:
            return "opened", opened[node_id](output)
        return place(node_id), output

    if not is_link(link):
        raise NoSignature
    told = [followed(link), entries]
    return hashlib.sha256(json.dumps(_plain(told)).encode()).hexdigest()


def _immediate(graph: LoopGraph, node_id: str) -> Any:
    """A node without what it is linked to."""
    if not graph.dynprompt.has_node(node_id):
        raise NoSignature
    kind = graph.class_of(node_id)
    made = node_class(kind)
    if getattr(made, "NOT_IDEMPOTENT", False) or gives_lists(kind):
        raise NoSignature
    hidden = made.INPUT_TYPES().get("hidden", {}).values()
    shown = graph.dynprompt.get_display_node_id(node_id) if "UNIQUE_ID" in hidden else ""
    literals = {n: v for n, v in graph.inputs(node_id).items() if not is_link(v)}
    changed = "" if kind in LOOP_CLASSES else _fingerprint(graph, node_id)
    return kind, shown, literals, changed


def _fingerprint(graph: LoopGraph, node_id: str) -> Any:
    """What the node itself says of whether it changed, for example of a file that it reads.

    ComfyUI asks with its own coroutine, which waits for nothing unless the node's answer does.
    """
    execution: Any = importlib.import_module("execution")  # late: it loads the whole server
    context = get_executing_context()
    prompt_id = context.prompt_id if context else ""
    asked = execution.IsChangedCache(prompt_id, graph.dynprompt, None).get(node_id)
    try:
        asked.send(None)
    except StopIteration as answer:
        return answer.value
    asked.close()
    raise NoSignature


def _plain(value: Any) -> Any:
    """The value as JSON knows it. Raises: NoSignature: it does not."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and not math.isnan(value):  # which says: changed, always
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return [[_plain(name), _plain(value[name])] for name in sorted(value, key=str)]
    raise NoSignature
