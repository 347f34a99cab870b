"""What the pack sends to the page: little, self-contained, and from no other place."""

import gzip
import json
import re
from pathlib import Path

import pytest

from emofeedback.records.emotion import CATEGORIES

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "web" / "js").glob("*.js"))
MOST_KB = 35
MAX_LINES = 350


def test_the_javascript_is_small() -> None:
    zipped = [len(gzip.compress(file.read_bytes(), 9)) for file in SCRIPTS]
    assert len(zipped) > 5
    assert sum(zipped) <= MOST_KB * 1000


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
def test_a_script_fits_in_one_sitting_and_fetches_nothing_from_elsewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert text.startswith("/**"), "its first comment says what it is for"
    assert set(re.findall(r"https?://[^\"'`\s]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\beval\(|new Function|innerHTML|document\.write|console\.log", text)


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
def test_what_a_script_imports_is_shipped_or_comfyuis(file: Path) -> None:
    imported = re.findall(r"^import .* from \"(.+)\";", file.read_text("utf-8"), re.MULTILINE)
    for name in imported:
        own = (file.parent / name).is_file()
        assert own or name in ("../../../scripts/app.js", "../../../scripts/api.js")


def test_page_and_server_use_the_same_names() -> None:
    plane = (ROOT / "web" / "js" / "plane.js").read_text("utf-8")
    listed = re.search(r"CATEGORIES = \[(.+?)\]", plane, re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r'"(\w+)"', listed[1])) == CATEGORIES


def test_the_page_takes_the_words_of_a_run_from_the_server() -> None:
    from emofeedback.loop.progress import PHASES
    from emofeedback.loop.stopping import STOP_REASONS

    text = "\n".join(file.read_text("utf-8") for file in SCRIPTS)
    for words in [*PHASES, *STOP_REASONS.values(), "time budget", "patience"]:
        assert not re.search(rf'["\'`]?\b{words}\b["\'`]?:|["\'`]{words}["\'`]', text), words


def test_the_lock_file_names_no_package_index() -> None:
    lock = json.loads((ROOT / "tests" / "web" / "package-lock.json").read_text("utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    unchecked = [
        name for name, package in lock["packages"].items() if name and "integrity" not in package
    ]
    assert unchecked == []
