"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from emofeedback.records.files import replacing, write_json


class Killed(Exception):
    """Stands for whatever ends a process between two bytes."""


def test_a_file_is_replaced_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "kept.txt"
    with replacing(path, durable=True) as partial:
        partial.write_text("first")
        assert not path.exists()
    with replacing(path) as partial:
        partial.write_text("second")
        assert path.read_text() == "first"
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def _half_written(path: Path, folder: bool) -> None:
    with replacing(path) as partial:
        partial.mkdir() if folder else partial.write_text("half")
        raise Killed


@pytest.mark.parametrize("folder", [False, True])
def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "kept"
    with replacing(path) as partial:
        partial.mkdir() if folder else partial.write_text("whole")
    with pytest.raises(Killed):
        _half_written(path, folder)
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_dir() if folder else path.read_text() == "whole"


def test_a_folder_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "step-1"
    for name in ("a", "b"):
        with replacing(path, durable=True) as partial:
            partial.mkdir()
            write_json(partial / f"{name}.json", [name])
    assert [file.name for file in path.iterdir()] == ["b.json"]
