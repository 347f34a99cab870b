"""A real server and a real page of it, in both of ComfyUI's render modes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from launcher.server import ComfyServer
from tools.browser import Canvas, chromium, make_server, open_canvas


@pytest.fixture(scope="session")
def server(comfyui_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    with make_server(comfyui_tree, tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")  # longer, and no other test could use asyncio
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module", params=["classic", "Nodes 2.0"])
def canvas(
    request: pytest.FixtureRequest, browser: Browser, server: ComfyServer
) -> Iterator[Canvas]:
    """One page for all tests of a render mode."""
    with open_canvas(browser, server, nodes_2=request.param == "Nodes 2.0") as page:
        yield page
