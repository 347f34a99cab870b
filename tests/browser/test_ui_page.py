"""`start.py ui` in a real Chromium: the address that it prints shows the loop, ready to run."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
# Another workflow shows until the one that the address names has arrived.
LOADED = "() => window.app?.graph?.nodes?.some((node) => node.type === 'EmoFB_StartLoop')"


@pytest.mark.browser
def test_the_page_of_start_ui_opens_on_the_loop_workflow(start, made_home: Path) -> None:
    child = start("ui", "--no-browser", home=made_home)
    found = None
    while found is None:
        line = child.stdout.readline()
        assert line, "start.py ended before it printed an address"
        found = re.search(r"runs at (http\S+)", line)
    errors: list[str] = []
    with sync_playwright() as playwright:
        executable = next(path for name in BROWSERS if (path := shutil.which(name)))
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(found[1])
        page.wait_for_function(LOADED, timeout=120_000)
        kinds = page.evaluate("() => window.app.graph.nodes.map((node) => node.type)")
        known = page.evaluate("() => Object.keys(window.LiteGraph.registered_node_types)")
        browser.close()
    assert {"EmoFB_StartLoop", "EmoFB_ScoreRound", "EmoFB_EndLoop", "KSampler"} <= set(kinds)
    assert set(kinds) - {"Note", "MarkdownNote"} <= set(known)
    assert errors == []
