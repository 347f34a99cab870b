"""Files that writers share: the newest stay, and nothing of those that are gone piles up."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emofeedback.records.kept_files import SETTLED_S, KeptFiles

AN_HOUR = 3600


def write(kept: KeptFiles, name: str, age_s: float, size: int = 10) -> Path:
    file = kept.place(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    aged(file, age_s)
    return file


def aged(path: Path, age_s: float) -> None:
    then = time.time() - age_s
    os.utime(path, (then, then))


@pytest.mark.parametrize("limit", [{"most": 4}, {"most_bytes": 40}])
def test_parts_of_writers_that_come_no_more_make_room(tmp_path: Path, limit) -> None:
    flat = [write(KeptFiles(tmp_path, ".loop"), f"flat-{i}", SETTLED_S * 9 + i) for i in range(3)]
    for port in range(5):
        gone = KeptFiles(tmp_path, ".loop", part=str(port))
        for number in range(3):
            write(gone, f"{port}-{number}", SETTLED_S * (9 - port) - number)
        aged(tmp_path / str(port), SETTLED_S * (9 - port))
    running = KeptFiles(tmp_path, ".loop", part="running")
    others = [write(running, f"fresh-{number}", AN_HOUR) for number in range(9)]
    mine = KeptFiles(tmp_path, ".loop", part="mine", **limit)
    new = write(mine, "new", 0)
    assert mine.find("flat-0") == flat[0]  # what earlier versions wrote is found
    mine.prune()
    kept = {file for file in tmp_path.rglob("*.loop") if file not in others}
    assert kept == {new, *(tmp_path / "4" / f"4-{number}.loop" for number in range(3))}
    assert all(file.exists() for file in others)  # of a server that runs
    assert {folder.name for folder in tmp_path.iterdir()} == {"4", "running", "mine"}


KILLED = """
import os, sys
from pathlib import Path
from emofeedback.records.files import replacing
with replacing(Path(sys.argv[1])) as partial:
    partial.write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_writer_left_is_taken_away_once_it_has_settled(tmp_path: Path) -> None:
    gone = KeptFiles(tmp_path, ".loop", part="8188")
    subprocess.run([sys.executable, "-c", KILLED, str(gone.place("one"))], check=False)
    (left,) = (tmp_path / "8188").iterdir()
    mine = KeptFiles(tmp_path, ".loop", part="8189")
    mine.prune()
    assert left.exists() and mine.find("one") is None  # it may be being written
    aged(left, SETTLED_S + 1)
    aged(left.parent, SETTLED_S + 1)
    mine.prune()
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / "8188"])
