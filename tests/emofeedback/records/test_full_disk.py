"""A disk that is really full: what was written before stays whole, and the truth is told."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from emofeedback.errors import ConfigError
from emofeedback.loop.log import RunLog
from emofeedback.pictures.metadata import write_note
from emofeedback.reading.kept import KeptReadings
from emofeedback.records.emotion import Emotion
from emofeedback.records.files import check_writable, write_json
from emofeedback.records.reading import Reading

LONG = "x" * 100_000
Fill = Callable[[int], None]


@pytest.fixture
def contents(tiny_disk: Path) -> Callable[[], dict[str, bytes]]:
    """What lies on the disk beside the file that fills it."""
    return lambda: {
        str(file.relative_to(tiny_disk)): file.read_bytes()
        for file in tiny_disk.rglob("*")
        if file.is_file() and file.name != "others"
    }


@pytest.mark.parametrize("left", [0, 8192])
def test_files_that_are_replaced_stay_as_they_were(
    tiny_disk: Path, fill_disk: Fill, contents, left: int
) -> None:
    write_json(tiny_disk / "table.json", {"a": 1})
    Image.new("RGB", (8, 8)).save(tiny_disk / "picture.png")
    before = contents()
    fill_disk(left)
    for write in (
        lambda: write_json(tiny_disk / "table.json", LONG),
        lambda: write_note(tiny_disk / "picture.png", LONG),
    ):
        with pytest.raises(OSError, match="No space left") as caught:
            write()
        assert caught.value.errno == errno.ENOSPC
    assert contents() == before
    if not left:
        with pytest.raises(OSError, match="No space left"):
            check_writable(tiny_disk / "other.json")


@pytest.mark.parametrize("left", [0, 8192])
def test_a_run_is_kept_up_to_the_last_whole_event(
    tiny_disk: Path, fill_disk: Fill, contents, left: int
) -> None:
    log = RunLog(tiny_disk, part="8188")
    log.append("run", [{"kind": "start"}])
    before = contents()
    fill_disk(left)
    with pytest.raises(OSError, match="No space left"):
        log.append("run", [{"kind": "round", "prompt": LONG}])
    assert contents() == before
    (tiny_disk / "others").unlink()
    log.append("run", [{"kind": "end"}])
    assert log.read("run") == [{"kind": "start"}, {"kind": "end"}]


def test_readings_made_before_are_kept_and_counted(tiny_disk: Path, fill_disk: Fill) -> None:
    path, reading = tiny_disk / "kept.readings.jsonl", Reading(emotion=Emotion(1, 2))
    kept = KeptReadings(path, "scorer")
    kept.keep("first", "1.png", reading)
    fill_disk(4096)
    with pytest.raises(ConfigError, match="No space left.*The 1 readings in it are kept"):
        kept.keep("second", "2.png", Reading(emotion=Emotion(0, 0), raw_text=LONG))
    (tiny_disk / "others").unlink()
    again = KeptReadings(path, "scorer")
    again.keep("third", "3.png", reading)
    found = KeptReadings(path, "scorer")
    assert [found.get(name) for name in ("first", "second", "third")] == [reading, None, reading]
