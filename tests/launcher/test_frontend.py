"""A second page for the browser's tests: pinned, and a named skip where it cannot be had."""

import sys
from pathlib import Path

import pytest

from launcher.frontend import KNOWN, ensure_frontend
from launcher.places import Places
from launcher.steps import StartError


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty home with this Python, and a package index that does not answer."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    return Places(tmp_path)


def test_an_absent_index_is_a_named_skip(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    (version,) = KNOWN
    assert ensure_frontend(places, version) is None
    assert f"SKIPPED: the tests on frontend {version}" in capsys.readouterr().out


def test_a_version_that_is_not_pinned_is_refused(places: Places) -> None:
    with pytest.raises(StartError, match=r"9\.9\.9.*only 1\.58\.1 is pinned"):
        ensure_frontend(places, "9.9.9")
