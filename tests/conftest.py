"""Fixtures of all test folders: where things are, ComfyUI in this process, start.py in another."""

import asyncio
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

from launcher.places import Places

ROOT = Path(__file__).resolve().parent.parent
Start = Callable[..., subprocess.Popen]

# no test asserts how long it took
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_configure() -> None:
    # The thread count of a busy machine would change nothing but the time; tests want it steady.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


TOGETHER = {"browser": "start.py", "launcher": "start.py", "server": "server"}
"""Folders whose tests stay in one process: they share started servers, or start.py's one base."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the tests out by file; fixtures of a file are made once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return TOGETHER.get(file.partition("/")[0], file)

    return ByFile(config, log)


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def comfyui_tree() -> Path:
    """The ComfyUI under test: COMFYUI_PATH, else the one that start.py made."""
    tree = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui" / "src")
    if not (tree / "main.py").is_file():
        pytest.fail(
            f"No ComfyUI at {tree}: run `python start.py test`, or set COMFYUI_PATH to one.",
            pytrace=False,
        )
    return tree


@pytest.fixture(scope="session")
def comfyui(comfyui_tree: Path) -> ModuleType:
    """ComfyUI's `nodes` module on the CPU, with its tree before this project on the import path.

    Our own `nodes` folder has the same name: whoever imported it as a top-level module is in error.
    """
    sys.path.insert(0, str(comfyui_tree))
    importlib.invalidate_caches()
    for name in ("nodes", "server", "utils", "app"):
        if name in sys.modules and not _lies_in(sys.modules[name], comfyui_tree):
            del sys.modules[name]
    from comfy.cli_args import args

    args.cpu = True
    nodes = importlib.import_module("nodes")
    assert _lies_in(nodes, comfyui_tree)
    return nodes


@pytest.fixture(scope="session")
def pack(comfyui: ModuleType) -> ModuleType:
    """This pack, imported the way ComfyUI imports a folder of custom_nodes."""
    name = "custom_nodes.emofeedback"
    spec = importlib.util.spec_from_file_location(
        name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pack_nodes(pack: ModuleType) -> dict[str, type]:
    """Node id -> node class of this pack."""

    async def collect() -> dict[str, type]:
        extension = await pack.comfy_entrypoint()
        return {node.GET_SCHEMA().node_id: node for node in await extension.get_node_list()}

    return asyncio.run(collect())


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
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs Linux and root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def fill_disk(tiny_disk: Path) -> Callable[[int], None]:
    """fill_disk(left) leaves so many bytes of the tiny disk, in whole pages of 4096."""

    def fill(left: int) -> None:
        stat = os.statvfs(tiny_disk)
        (tiny_disk / "others").write_bytes(bytes(stat.f_bavail * stat.f_frsize - left))

    return fill


@pytest.fixture
def made_home() -> Path:
    """The set-up that `start.py test` made for this run."""
    places = Places.from_environment()
    if not (places.venv / "emofeedback-installed.json").exists():
        pytest.fail(
            "These tests need a finished set-up: run `python start.py test`.", pytrace=False
        )
    return places.home


def _lies_in(module: ModuleType, folder: Path) -> bool:
    origin = getattr(module, "__file__", None)
    return origin is not None and Path(origin).resolve().is_relative_to(folder.resolve())
