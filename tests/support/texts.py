"""Every text in the code that people may read, docstrings apart."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES_FILE = ROOT / "nodes" / "widgets" / "names.py"
NAMES = dict(re.findall(r'^(\w+) = "(.+)"$', NAMES_FILE.read_text("utf-8"), re.MULTILINE))
"""Nodes as the page calls them, by the names of the constants that texts hold them by."""


@cache
def texts(*rooms: str, filled: bool = True) -> tuple[tuple[Path, str], ...]:
    """(file, text), values in it replaced by an ellipsis, names of nodes filled in or left out."""
    found = []
    for room in rooms:
        for file in sorted((ROOT / room).rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            plain = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            told = (_text(n, filled) for n in ast.walk(tree) if id(n) not in plain)
            found += [(file, " ".join(text.split())) for text in told if text]
    return tuple(found)


def _text(node: ast.AST, filled: bool) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, filled) + _text(node.right, filled)
    if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
        return NAMES.get(node.value.id, "") if filled else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, filled) or "…" for part in node.values)
    return ""
