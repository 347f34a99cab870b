"""The accessibility checker axe-core on a part of an open page."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).resolve().parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async selector => (await axe.run(selector)).violations
    .filter(found => ['serious', 'critical'].includes(found.impact))
    .map(found => `${found.id}: ${found.nodes.map(node => node.html).join(' ')}`)"""


def serious_problems(page: Page, selector: str) -> list[str]:
    """What axe finds serious or critical below the matching elements; needs `npm ci`."""
    if not AXE.is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true, but {AXE} is missing: `npm ci` in tests/web makes it.")
        pytest.skip("axe-core is not installed (npm ci in tests/web)")
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(RUN, selector)
