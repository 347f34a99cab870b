"""A real ComfyUI server in each cache mode, with this pack as its only one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.comfy_client import CACHE_MODES, Comfy, start_comfy


@pytest.fixture(scope="session", params=CACHE_MODES)
def comfy(
    request: pytest.FixtureRequest, comfyui_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Comfy]:
    """The server in each cache mode in turn."""
    mode = request.param
    folder = tmp_path_factory.mktemp(f"comfy-{mode}")
    with start_comfy(comfyui_tree, folder, CACHE_MODES[mode]) as server:
        yield Comfy(server, mode)


@pytest.fixture
def default_comfy(comfy: Comfy) -> Comfy:
    """Only the default mode, for what does not depend on the cache."""
    return comfy


@pytest.fixture
def every_comfy(comfy: Comfy) -> Comfy:
    """The fourth mode, too: for what our own memory promises whatever ComfyUI keeps."""
    return comfy


@pytest.fixture(autouse=True)
def no_false_alarm(request: pytest.FixtureRequest) -> Iterator[None]:
    """No graph that runs is said to be wired wrongly, but for those that are."""
    wrong = request.path.stem in ("test_wiring_server", "test_bad_graphs")
    if wrong or "comfy" not in request.fixturenames:
        yield
        return
    log = request.getfixturevalue("comfy").server.log
    before = log.stat().st_size
    yield
    assert b"wiring of node" not in log.read_bytes()[before:]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if not _in_needless_mode(item)]


def _in_needless_mode(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or "comfy" not in item.fixturenames:
        return False
    mode = item.callspec.params["comfy"]
    if "default_comfy" in item.fixturenames:
        return bool(mode != "default")
    return mode == "lru" and "every_comfy" not in item.fixturenames
