"""What the guides say is so: messages exist, links lead somewhere, commands make the pictures."""

import re
import subprocess
from pathlib import Path

import pytest
from texts import texts

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
FIRST = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
ROOMS = ("nodes", "emofeedback", "launcher")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)")
# Pictures of pages from before the guides; each page names the command that makes them.
MAKERS = re.compile(r"tools\.help pictures|tools\.workflows|start\.py demo|training\.world")


def quoted() -> list[str]:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    return [
        " ".join(lines.split("\n> ")) for lines in re.findall(r"^> ((?:.+\n> )*.+)$", text, re.M)
    ]


def test_troubleshooting_quotes_enough_to_be_of_use() -> None:
    messages = quoted()
    assert len(messages) == len(set(messages)) > 30
    for message in messages:
        assert len(message.replace("…", "").strip()) >= 15, message


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_exists(message: str) -> None:
    parts = [part.strip() for part in message.split("…") if part.strip()]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    assert any(pattern.search(text) for _, text in texts(*ROOMS)), "no such message in the code"


@pytest.mark.parametrize(
    "page", [*DOCS, *FIRST], ids=lambda page: f"{page.parent.name}-{page.name}"
)
def test_links_and_pictures_of_the_guides_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file = (page.parent / target).resolve()
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in heads}


def test_every_guide_is_in_the_index_and_every_picture_on_a_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in DOCS:
        assert page.name == "README.md" or f"]({page.name})" in index, page.name
    pages = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    for picture in (ROOT / "docs" / "pictures").iterdir():
        assert f"pictures/{picture.name})" in text, f"no page shows {picture.name}"


def test_the_index_names_the_commands_that_make_the_pictures() -> None:
    index = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {"tools.help pictures", "tools.workflows", "start.py demo"} <= set(MAKERS.findall(index))


def test_pages_wrap_at_120() -> None:
    names = subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True).split("\n")
    for name in filter(None, names):
        code = False
        for number, line in enumerate((ROOT / name).read_text("utf-8").splitlines(), 1):
            code ^= line.lstrip().startswith("```")
            whole = code or line.startswith(("|", "#", "![")) or " " not in line.strip("*- ")
            words = re.sub(r"`[^`]*`|\]\([^)]*\)", "", line)  # cannot be broken
            assert whole or len(words) <= 120, f"{name}:{number} has {len(line)} characters"
