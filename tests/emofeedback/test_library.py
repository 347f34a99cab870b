"""The library as its users meet it: public names, its page's example, and its wheel."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import emofeedback

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = re.search(
    r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text("utf-8"), re.DOTALL
)
PACKAGES = {"PIL": "pillow", "json_repair": "json-repair"}
OPTIONAL = {"diffusers", "llguidance", "sklearn", "onnxruntime"}
"""Of extras: their absence is a message that names what to install."""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with `pictures/` in it."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(3):
        pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((256, 256)).save(folder / f"{number}.png")
    return tmp_path


def run(script: str, folder: Path, *paths: Path) -> str:
    code = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}\n{script}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_public_name_is_there() -> None:
    assert all(getattr(emofeedback, name) is not None for name in emofeedback.__all__)
    tree = ast.parse((ROOT / "emofeedback" / "__init__.pyi").read_text("utf-8"))
    typed = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level
             for a in n.names}  # fmt: skip
    assert typed == set(emofeedback.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = emofeedback.nothing


def test_importing_the_library_loads_no_torch(tmp_path: Path) -> None:
    script = "import emofeedback; print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert run(script, tmp_path, ROOT).split() == ["False", "False"]


def test_the_example_of_the_page_is_short_and_runs_from_a_wheel(
    pictures: Path, tmp_path: Path
) -> None:
    assert EXAMPLE is not None
    assert len([line for line in EXAMPLE[1].splitlines() if line.strip()]) <= 20
    source = tmp_path / "source"  # a build leaves files beside its sources
    for name in ("emofeedback", "training"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "-q"]
    offline = ["--no-build-isolation", "--wheel-dir", str(tmp_path / "wheel")]
    done = subprocess.run([*command, *offline], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "wheel").glob("emofeedback-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        archive.extractall(tmp_path / "installed")
    assert {top for top in tops if not top.endswith(".dist-info")} == {"emofeedback", "training"}
    told = run(EXAMPLE[1], pictures, tmp_path / "installed").splitlines()
    assert "a boat on the sea" in told[0]
    assert [line.split()[0] for line in told[1:]] == ["1", "2"]
    assert "<html" in (pictures / "report.html").read_text("utf-8")


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.split(r"[<>=\[ ]", line)[0] for line in project["dependencies"]}
    imported = set()
    for file in (ROOT / "emofeedback").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - OPTIONAL
    assert {PACKAGES.get(name, name) for name in foreign} <= declared
