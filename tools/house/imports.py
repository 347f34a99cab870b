"""Who imports whom, read from the source: circles of modules, imports against the floors."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("emofeedback", "nodes", "training", "tools", "launcher")
UNDER_ALL = {"errors", "images"}
# Room of the library -> the rooms that it may use beside itself and what lies under all.
FLOORS: dict[str, set[str]] = {
    "errors": set(),
    "images": set(),
    "records": set(),
    "plane": {"records"},
    "pictures": {"records", "plane"},
    "lvlm": {"records", "plane"},
    "refining": {"records", "plane", "lvlm"},
    "control": {"records", "plane", "refining"},  # anchors are written with the table of cues
    "reading": {"records", "plane", "lvlm", "refining"},
    "loop": {"records", "plane", "lvlm", "refining", "reading", "pictures"},
}
FLOORS["embedded"] = set(FLOORS) - {"loop"} - UNDER_ALL
FLOORS["study"] = set(FLOORS) - UNDER_ALL
FLOORS["commands"] = set(FLOORS) - UNDER_ALL
# Top package -> the others of this project that it may use.
HOUSES: dict[str, set[str]] = {
    "emofeedback": set(),
    "nodes": {"emofeedback"},
    "training": {"emofeedback"},
    "launcher": set(),
    "tools": {"emofeedback", "nodes", "training", "launcher"},
}


@dataclass(frozen=True, order=True)
class Import:
    """One import of a module of this project (`at_load` False: only when a function runs)."""

    importer: str
    imported: str
    at_load: bool


def files_of(room: str, root: Path = ROOT) -> list[Path]:
    """The Python files of a room, sorted."""
    return sorted((root / room).rglob("*.py"))


def imported_names(file: Path, *, root: Path = ROOT) -> Iterator[tuple[str, bool]]:
    """Dotted names that a file imports, relative ones resolved, and whether loading it does."""
    here = file.relative_to(root).parent.parts
    for node, at_load in _import_statements(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((a.name, at_load) for a in node.names if a.name != "nodes")
            continue
        if not node.level and here[:1] == ("nodes",):
            continue  # of others: inside the pack imports are relative, and core has a `nodes` too
        base = here[: len(here) + 1 - node.level] if node.level else ()
        source = ".".join([*base, *([node.module] if node.module else [])])
        yield from ((f"{source}.{alias.name}", at_load) for alias in node.names)


@cache
def imports_of(root: Path = ROOT) -> tuple[Import, ...]:
    """Every import between modules of this project, those in functions and for types too."""
    known = {_module(file, root) for room in ROOMS for file in files_of(room, root)}
    found = set()
    for room in ROOMS:
        for file in files_of(room, root):
            importer = _module(file, root)
            for name, at_load in imported_names(file, root=root):
                parents = [name, name.rpartition(".")[0]]
                target = next((each for each in parents if each in known), importer)
                if target != importer:
                    found.add(Import(importer, target, at_load))
    return tuple(sorted(found))


def circles(root: Path = ROOT) -> list[tuple[str, ...]]:
    """Groups of modules that reach each other by imports, each group sorted."""
    graph: dict[str, set[str]] = {}
    for each in imports_of(root):
        graph.setdefault(each.importer, set()).add(each.imported)
    reach = {module: _reachable(graph, module) for module in graph}
    rings = {
        tuple(sorted(other for other in reach[module] if module in reach.get(other, ())))
        for module in graph
        if module in reach[module]
    }
    return sorted(rings)


def against_the_floors(root: Path = ROOT) -> list[str]:
    """Imports that the order of the rooms forbids, in words."""
    wrong = []
    for each in imports_of(root):
        house, other = each.importer.split(".")[0], each.imported.split(".")[0]
        if house != other:
            forbidden = other not in HOUSES[house]
        else:
            room, used = room_of(each.importer), room_of(each.imported)
            inside = house == "emofeedback" and room in FLOORS
            forbidden = inside and used != room and used not in FLOORS[room] | UNDER_ALL
            forbidden = forbidden or (room, used) == ("errors", "images")
        if forbidden:
            wrong.append(f"{each.importer} imports {each.imported}")
    return wrong


def room_of(module: str) -> str:
    """The room inside a top package: emofeedback.loop.steps -> loop; "" for the package itself."""
    return [*module.split("."), ""][1]


def _module(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _import_statements(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    pending: list[tuple[ast.AST, bool]] = [(tree, True)]
    while pending:
        node, at_load = pending.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_load
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend((child, False) for child in node.body)
            pending.extend((child, at_load) for child in node.orelse)
            continue
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        inside = at_load and not function
        pending.extend((child, inside) for child in ast.iter_child_nodes(node))


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    pending = list(graph.get(start, ()))
    while pending:
        module = pending.pop()
        if module not in found:
            found.add(module)
            pending.extend(graph.get(module, ()))
    return found
