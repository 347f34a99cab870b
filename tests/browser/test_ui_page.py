"""`start.py ui` in a real Chromium: the address that it prints shows the loop, ready to run."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tools.browser import PATIENCE_MS

# Another workflow shows until the one that the address names has arrived.
LOADED = "() => window.app?.graph?.nodes?.some((node) => node.type === 'EmoFB_StartLoop')"


@pytest.mark.browser
def test_the_page_of_start_ui_opens_on_the_loop_workflow(
    start, made_home: Path, browser: Browser
) -> None:
    child = start("ui", "--no-browser", home=made_home)
    found = None
    while found is None:
        line = child.stdout.readline()
        assert line, "start.py ended before it printed an address"
        found = re.search(r"runs at (http\S+)", line)
    errors: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(found[1])
    page.wait_for_function(LOADED, timeout=PATIENCE_MS)
    kinds = page.evaluate("() => window.app.graph.nodes.map((node) => node.type)")
    known = page.evaluate("() => Object.keys(window.LiteGraph.registered_node_types)")
    page.close()
    assert {"EmoFB_StartLoop", "EmoFB_ScoreRound", "EmoFB_EndLoop", "KSampler"} <= set(kinds)
    assert set(kinds) - {"Note", "MarkdownNote"} <= set(known)
    assert errors == []
