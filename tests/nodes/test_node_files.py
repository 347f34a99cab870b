"""A file of nodes/ holds nodes and what one of them alone needs; the rest has a room."""

import ast
from pathlib import Path

import pytest

NODES = Path(__file__).resolve().parents[2] / "nodes"
FILES = sorted(file for file in NODES.glob("*.py") if file.name != "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_holds_node_classes_and_private_helpers(file: Path) -> None:
    body = ast.parse(file.read_text(encoding="utf-8")).body
    classes = [part for part in body if isinstance(part, ast.ClassDef)]
    assert classes
    for part in classes:
        assert [ast.unparse(base) for base in part.bases] == ["io.ComfyNode"], part.name
    public = [
        part.name
        for part in body
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")
    ]
    assert not public, "shared helpers live in nodes/comfy or nodes/widgets"


@pytest.mark.parametrize("file", sorted(NODES.rglob("*.py")), ids=lambda file: file.stem)
def test_nothing_imports_from_a_file_of_nodes(file: Path) -> None:
    if file == NODES / "__init__.py":
        return
    level = len(file.relative_to(NODES).parts)
    stems = {one.stem for one in FILES}
    for part in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(part, ast.ImportFrom) and part.level == level:
            assert (part.module or "").split(".")[0] not in stems, ast.unparse(part)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_schema_only_describes(file: Path) -> None:
    for part in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(part, ast.FunctionDef) and part.name == "define_schema":
            (statement,) = part.body
            assert isinstance(statement, ast.Return)
