"""Checks an API graph against what a server says of its nodes, without running it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Graph = dict[str, dict[str, Any]]
Spec = tuple[str, dict[str, Any], bool]


def problems_of(graph: Graph, info: dict[str, Any]) -> list[str]:
    """What is wrong with a graph, a line each, by /object_info's `info`."""
    found = []
    for node_id, node in graph.items():
        kind = node["class_type"]
        if kind not in info:
            found.append(f"{node_id}: there is no node {kind}")
            continue
        specs = dict(_specs(info[kind]["input"], node["inputs"]))
        given = node["inputs"]
        found += [f"{kind}: {name} is unknown" for name in given if name not in specs]
        for name, (_, _, needed) in specs.items():
            if needed and name not in given:
                found.append(f"{kind}: {name} is missing")
        for name in set(specs) & set(given):
            told = _problem(given[name], specs[name], graph, info)
            if told:
                found.append(f"{kind}: {name} {told}")
    return found


def _specs(
    inputs: dict[str, Any], values: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Spec]]:
    """Every input that is there with these values: name -> type, settings, needed."""
    for part in ("required", "optional"):
        for short, entry in inputs.get(part, {}).items():
            name, kind = prefix + short, entry[0]
            settings = dict(entry[1]) if len(entry) > 1 else {}
            if isinstance(kind, list):
                kind, settings = "COMBO", {**settings, "options": kind}
            yield name, (kind, settings, part == "required")
            if kind == "COMFY_DYNAMICCOMBO_V3":
                for option in settings["options"]:
                    if option["key"] == values.get(name):
                        yield from _specs(option["inputs"], values, f"{name}.")


def _problem(value: Any, spec: Spec, graph: Graph, info: dict[str, Any]) -> str:
    kind, settings, _ = spec
    if isinstance(value, list):
        return _link_problem(value, kind, graph, info)
    options = settings.get("options", [])
    keys = [option["key"] if isinstance(option, dict) else option for option in options]
    if kind in ("COMBO", "COMFY_DYNAMICCOMBO_V3"):
        return "" if value in keys else f"is {value!r}, not one of {keys[:8]}"
    if kind in ("INT", "FLOAT"):
        number = isinstance(value, int | float if kind == "FLOAT" else int)
        within = number and settings.get("min", value) <= value <= settings.get("max", value)
        return "" if within else f"is {value!r}, out of range"
    wanted = {"STRING": str, "BOOLEAN": bool}.get(kind)
    if wanted is None:
        return f"is {value!r}, but needs a link"
    return "" if isinstance(value, wanted) else f"is {value!r}, not {kind}"


def _link_problem(link: list[Any], kind: str, graph: Graph, info: dict[str, Any]) -> str:
    source, slot = link
    outputs = info.get(graph.get(source, {}).get("class_type", ""), {}).get("output", [])
    if slot >= len(outputs):
        return "leads nowhere"
    given = outputs[slot]
    fits = "*" in (given, kind) or given in str(kind).split(",") or isinstance(given, list)
    return "" if fits else f"takes {kind} and gets {given}"
