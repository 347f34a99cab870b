"""The command line as a child process, with its own home for .venv and .comfyui."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from launcher.places import Places

ROOT = Path(__file__).resolve().parent.parent.parent

Start = Callable[..., subprocess.Popen]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start("demo", "--rounds", "1", home=..., VARIABLE="...") -> the process of start.py."""
    children: list[subprocess.Popen] = []

    def run(*arguments: str, home: Path = tmp_path, **variables: str) -> subprocess.Popen:
        environment = {**os.environ, "EMOFEEDBACK_HOME": str(home), **variables}
        child = subprocess.Popen(
            [sys.executable, str(ROOT / "start.py"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        children.append(child)
        return child

    yield run
    for child in children:
        if child.poll() is None:
            family = [
                *psutil.Process(child.pid).children(recursive=True),
                psutil.Process(child.pid),
            ]
            for process in family:
                process.kill()
        child.wait()


@pytest.fixture
def made_home() -> Path:
    """The set-up that `start.py test` made for this run."""
    places = Places.from_environment()
    if not (places.venv / "emofeedback-installed.json").exists():
        pytest.fail(
            "These tests need a finished set-up: run `python start.py test`.", pytrace=False
        )
    return places.home
