"""`start.py test`: every check of the project, the browser's where there is one."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import web
from .frontend import VARIABLE, ensure_frontend
from .places import ROOT, Places
from .steps import StartError, die_with_parent, end_process, say

CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "mypy of nodes": ["mypy", "-p", "pack.nodes"],
}
FRONTEND_HELP = "run only the browser's tests, on this version of ComfyUI's page"
TOGETHER = "--numprocesses=2"
"""For all tests; tests/conftest.py says which stay in one process."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def run(arguments: Sequence[str], tree: Path) -> int:
    """Runs the linters, the JavaScript's checks and pytest; returns the exit code.

    Args:
        arguments: for pytest.
    Raises: StartError: the browser or npm is missing, and CI=true says that nothing is skipped.
    """
    missing = _missing_for_browser()
    no_tools = web.install(Places.from_environment().log)
    if os.environ.get("CI") == "true":
        if missing:
            raise StartError(f"CI=true, but the browser tests cannot run: {missing}.")
        if no_tools:
            raise StartError(f"CI=true, but the JavaScript cannot be checked: {no_tools}.")
    types = {"MYPYPATH": os.pathsep.join([str(_folder_of_pack()), str(tree)])}
    failed = [name for name, command in CHECKS.items() if _module(command, **types) != 0]
    if no_tools:
        say(f"The checks of the JavaScript are skipped: {no_tools}.")
    else:
        failed += web.failed_checks()
    for name in failed:
        say(f"FAILED: {name} (see above)")
    if missing:
        say(f"The browser tests are skipped: {missing}.")
    without = ["--ignore=tests/browser"] if missing else []
    together = [] if arguments or os.cpu_count() == 1 else [TOGETHER]
    command = [*_pytest([*together, *arguments], "tests"), *without]
    return _module(command, COMFYUI_PATH=str(tree)) or bool(failed)


def run_lowest(arguments: Sequence[str], tree: Path, python: Path) -> int:
    """Runs pytest on the library and the nodes with another Python; returns the exit code."""
    command = _pytest(arguments, "tests/emofeedback", "tests/nodes")
    return _module(command, python, COMFYUI_PATH=str(tree))


def run_on_frontend(places: Places, version: str, arguments: Sequence[str], tree: Path) -> int:
    """Runs the browser's tests on another page than ComfyUI's own; 0 where it cannot be had.

    Raises: StartError: the browser is missing, or the version is not a pinned one.
    """
    if missing := _missing_for_browser():
        raise StartError(f"The browser tests cannot run: {missing}.")
    page = ensure_frontend(places, version)
    if page is None:
        return 0
    command = _pytest(arguments, "tests/browser")
    return _module(command, COMFYUI_PATH=str(tree), **{VARIABLE: str(page)})


def _pytest(arguments: Sequence[str], *folders: str) -> list[str]:
    """Its command: on the folders, unless the arguments name files of their own."""
    named = any((ROOT / argument.split("::")[0]).exists() for argument in arguments)
    return ["pytest", "-c", "tests/pytest.ini", *arguments, *(() if named else folders)]


def _missing_for_browser() -> str:
    if not any(shutil.which(name) for name in BROWSERS):
        return "no Chromium was found (Debian: apt-get install chromium)"
    if importlib.util.find_spec("playwright") is None:
        return "the Python package playwright is not installed"
    return ""


def _folder_of_pack() -> Path:
    """Holds this project as `pack`: nodes import beyond their folder, as ComfyUI lets them."""
    folder = ROOT / ".mypy_cache" / "custom_nodes"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "pack").exists():
        (folder / "pack").symlink_to(ROOT)
    return folder


def _module(command: Sequence[str], python: str | Path = sys.executable, **environment: str) -> int:
    say(f"$ {' '.join(command)}")
    child = subprocess.Popen(
        [python, "-m", *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        preexec_fn=die_with_parent(),
    )
    try:
        return child.wait()
    finally:
        end_process(child)
