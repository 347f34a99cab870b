"""Each concept has one owner: what would be written a second time is found by its name."""

import re
from pathlib import Path

import pytest
from texts import NAMES, NAMES_FILE, texts

ROOT = Path(__file__).resolve().parent.parent

OWNERS = {
    "asking a server": (r"from openai|import openai", ("emofeedback/lvlm/server/client.py",)),
    "repairing a model's JSON": (r"json_repair", ("emofeedback/lvlm/answers.py",)),
    "urllib's own requests": (r"urllib\.(request|error)", ()),
    # launcher/ has the standard library only and may not import the library
    "moving files into place": (r"os\.replace\(", ("emofeedback/records/files.py",)),
    "opening pictures": (r"Image\.open\(", ("emofeedback/images.py",)),
    "pictures inside a page": (r"data:image", ("emofeedback/images.py",)),
    "prompt changes": (
        r"SequenceMatcher|def prompt_changes",
        ("emofeedback/loop/prompt_changes.py",),
    ),
    # the benchmark writes a history, which no loop made
    "driving a loop": (
        r"\b(record_scores|record_refinement|rewritten_for_target|read_candidates|cut_short)\(",
        ("emofeedback/loop/driver.py", "emofeedback/loop/steps.py", "tools/benchmarks/report.py"),
    ),
    "phases and stop reasons in words": (
        r"\"(making pictures|all rounds done)\"",
        ("emofeedback/loop/progress.py", "emofeedback/loop/stopping.py"),
    ),
    "rounds and refinements as JSON": (
        r"\"next_prompt\"|\"best_so_far\"|asdict\(sugg",
        (
            "emofeedback/loop/events.py",
            "emofeedback/loop/report.py",
        ),
    ),
}


@pytest.mark.parametrize("concept", OWNERS)
def test_a_concept_is_written_once(concept: str) -> None:
    pattern, owners = OWNERS[concept]
    found = {
        file.relative_to(ROOT).as_posix()
        for room in ("emofeedback", "nodes", "training", "tools")
        for file in (ROOT / room).rglob("*.py")
        if re.search(pattern, file.read_text(encoding="utf-8"))
    }
    assert found == set(owners)


def test_texts_take_the_names_of_nodes_from_one_table() -> None:
    name = re.compile("|".join(NAMES.values()))
    rooms = ("emofeedback", "nodes", "training", "tools", "launcher")
    written = [each for each in texts(*rooms, filled=False) if name.search(each[1])]
    assert not [(file.name, text) for file, text in written if file != NAMES_FILE]
    pages = {file: file.read_text("utf-8") for file in (ROOT / "web" / "js").glob("*.js")}
    assert not [file.name for file, text in pages.items() if name.search(text)]
