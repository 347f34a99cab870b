"""Rounds that were drawn come back from files to the bit, or not at all."""

import gc
import os
from pathlib import Path

import pytest
import torch

from emofeedback.loop.drawn_rounds import DrawnRounds
from emofeedback.records.drawn import Drawn, from_bytes, to_bytes


def test_pictures_and_latents_come_back_to_the_bit_and_in_order(tmp_path: Path) -> None:
    latents = [torch.randn(4, 3, 3, dtype=torch.bfloat16) for _ in range(12)]
    drawn = Drawn(
        tuple(os.urandom(100 + place) for place in range(12)), tuple(map(to_bytes, latents))
    )
    DrawnRounds(tmp_path, part="8188").keep(("words", 1, 12), drawn)
    back = DrawnRounds(tmp_path, part="8188").get(("words", 1, 12))
    assert back == drawn
    assert all(torch.equal(from_bytes(data), made) for data, made in zip(back.latents, latents))
    assert DrawnRounds(tmp_path, part="8188").get(("words", True, 12)) is None
    assert DrawnRounds(tmp_path, part="8189").get(("words", 1, 12)) is None  # of another server


def test_pictures_of_any_size_leave_no_class_behind() -> None:
    def classes_after(sizes: range) -> int:
        for size in sizes:
            assert Drawn.unpacked(Drawn((bytes(size),)).packed()).size == size
        gc.collect()
        return sum(issubclass(type(one), type) for one in gc.get_objects())

    assert classes_after(range(4001, 4011)) == classes_after(range(4011, 4031))


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    kept = DrawnRounds(tmp_path, most_bytes=3500)
    for key in range(3):
        kept.keep(key, Drawn((bytes(1000),)))
        for age, file in enumerate(sorted(tmp_path.iterdir(), key=lambda f: -f.stat().st_mtime)):
            os.utime(file, (1e9 - age, 1e9 - age))  # long ago, in the order of their use
    assert kept.get(0)
    kept.keep(3, Drawn((bytes(1000),)))
    kept.keep(4, Drawn((bytes(4000),)))  # alone too large: nothing leaves for it
    assert [key for key in range(5) if kept.get(key)] == [0, 2, 3]


def test_a_damaged_file_or_a_full_disk_is_told_of_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = DrawnRounds(tmp_path / "rounds")
    kept.keep("a", Drawn((b"picture",)))
    (file,) = (tmp_path / "rounds").iterdir()
    for damage in (b"", file.read_bytes()[:-3], file.read_bytes().replace(b"images", b"imagos")):
        file.write_bytes(damage)
        assert kept.get("a") is None
    assert caplog.text.count("drawn again") == 3
    (tmp_path / "taken").write_bytes(b"")
    DrawnRounds(tmp_path / "taken").keep("a", Drawn((b"picture",)))
    assert "cannot be kept" in caplog.text
