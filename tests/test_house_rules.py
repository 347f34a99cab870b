"""The rules of the house that a program can check."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from launcher.environment import LOWEST_EXTRAS
from tools.house.imports import against_the_floors, circles

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"nodes", "emofeedback", "training", "launcher"}
LIGHT = {"numpy", "torch", "PIL", "safetensors"} | set(sys.stdlib_module_names)
HEAVY = ("diffusers", "transformers", "peft", "trl", "accelerate", "matplotlib", "openai", "scipy")
MAX_LINES = 350


def files_of(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported_names(file: Path, nodes: list[ast.AST]) -> set[str]:
    """Top-level names that the given import statements of `file` reach, relative ones resolved."""
    here, found = file.relative_to(ROOT).parent.parts, set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            found.add((*base, *(node.module or node.names[0].name).split("."))[0])
        elif isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
    return found


def all_imports(file: Path) -> set[str]:
    return imported_names(file, list(ast.walk(ast.parse(file.read_text(encoding="utf-8")))))


def module_level_imports(file: Path) -> set[str]:
    """Imports that run when the file is imported: not those in functions or under TYPE_CHECKING."""
    pending: list[ast.AST] = list(ast.parse(file.read_text(encoding="utf-8")).body)
    reached = []
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        reached.append(node)
        pending.extend(ast.iter_child_nodes(node))
    return imported_names(file, reached)


@pytest.mark.parametrize(
    ("room", "may_use"),
    [
        ("nodes", {"nodes", "emofeedback"}),
        ("emofeedback", {"emofeedback"}),
        ("training", {"training", "emofeedback"}),
        ("launcher", {"launcher"}),
    ],
)
def test_imports_run_one_way(room: str, may_use: set[str]) -> None:
    for file in files_of(room):
        wrong = (all_imports(file) & ROOMS) - may_use
        assert not wrong, f"{file.relative_to(ROOT)} imports from {wrong}"


def test_no_circles_and_nothing_against_the_floors() -> None:
    assert circles() == []
    assert against_the_floors() == []


def test_every_file_of_the_library_lies_in_a_room() -> None:
    top = {file.stem for file in (ROOT / "emofeedback").glob("*.py")}
    assert top == {"__init__", "__main__", "errors", "images"}


def test_posix_only_modules_are_imported_guarded() -> None:
    posix = {"fcntl", "grp", "pwd", "resource", "termios", "pty"}
    for room in (*sorted(ROOMS), "tools"):
        for file in files_of(room):
            loaded = posix & {
                name
                for node in ast.parse(file.read_text(encoding="utf-8")).body
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in imported_names(file, [node])
            }
            assert not loaded, f"{file.relative_to(ROOT)} needs {loaded}, which Windows lacks"


def test_only_nodes_knows_comfyui() -> None:
    for room in ("emofeedback", "training", "launcher"):
        for file in files_of(room):
            comfy = {name for name in all_imports(file) if name.startswith(("comfy", "folder_"))}
            assert not comfy, f"{file.relative_to(ROOT)} imports {comfy}"


def test_importing_the_library_costs_only_torch_numpy_pillow() -> None:
    for file in files_of("emofeedback"):
        foreign = module_level_imports(file) - LIGHT - {"emofeedback"}
        assert not foreign, f"{file.relative_to(ROOT)} imports {foreign} outside a function"


def test_nodes_import_nothing_heavy_outside_functions() -> None:
    for file in files_of("nodes"):
        heavy = module_level_imports(file) & set(HEAVY)
        assert not heavy, f"{file.relative_to(ROOT)} imports {heavy} outside a function"


def test_start_needs_nothing_but_python() -> None:
    for file in [ROOT / "start.py", *files_of("launcher")]:
        foreign = module_level_imports(file) - set(sys.stdlib_module_names) - {"launcher"}
        assert not foreign, f"{file.relative_to(ROOT)} imports {foreign} outside a function"


def test_the_library_loads_no_heavy_package() -> None:
    script = f"import sys, emofeedback; print([n for n in {HEAVY!r} if n in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_files_fit_in_one_sitting() -> None:
    for room in [*sorted(ROOMS), "tests"]:
        for file in files_of(room):
            lines = len(file.read_text(encoding="utf-8").splitlines())
            assert lines <= MAX_LINES, f"{file.relative_to(ROOT)} has {lines} lines"


def test_nothing_unsafe_and_nothing_left_over() -> None:
    words = re.compile(
        r"torch\.load\(|import pickle|trust_remote_code=True|\bTODO\b|\bFIXME\b|\bXXX\b"
    )
    for room in sorted(ROOMS):
        for file in files_of(room):
            found = words.search(file.read_text(encoding="utf-8"))
            assert found is None, f"{file.relative_to(ROOT)} contains {found.group()!r}"


def test_requirements_pin_nothing_and_constraints_pin_everything() -> None:
    required = _lines("requirements.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    # the page comes with ComfyUI; only its registry asks which one we need
    frontend = "comfyui-frontend-package"
    declared = [line for line in project["dependencies"] if not line.startswith(frontend)]
    assert sorted(required) == sorted(declared)
    assert not [line for line in required if "==" in line]
    pinned = {line.split("==")[0] for line in _lines("constraints.txt")}
    wanted = {re.split(r"[<>=\[]", line)[0] for line in [*required, *extras]}
    assert wanted <= pinned


def test_test_files_have_different_names() -> None:
    # pytest imports them by bare name (see pytest.ini on why the folders are no packages)
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))


def _lines(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def test_the_lowest_versions_are_those_that_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [*_lines("requirements.txt"), *(line for n in LOWEST_EXTRAS for line in extras[n])]
    pinned = dict(line.split("==") for line in _lines("constraints-lowest.txt"))
    for line in declared:
        name, _, least = line.partition(">=")
        same = f"{least}.0.0.0".split(".")[:3]  # "3.1" and "3.1.0" are one version
        assert not least or f"{pinned[name]}.0.0.0".split(".")[:3] == same, line


def test_no_text_is_run_as_code() -> None:
    rooms = (*sorted(ROOMS), "tools", "tests")
    for path in [*ROOT.glob("*.py"), *(file for room in rooms for file in files_of(room))]:
        if "node_modules" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec"}, path
