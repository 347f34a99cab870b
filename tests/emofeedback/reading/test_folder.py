"""A folder read into a table: it goes on after any end, names what failed, and spares the files."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image, PngImagePlugin

from emofeedback.__main__ import main
from emofeedback.errors import ScorerError
from emofeedback.images import to_png
from emofeedback.reading.base import Scorer
from emofeedback.reading.folder import score_folder
from emofeedback.records.emotion import Emotion
from emofeedback.records.reading import Reading


class Brightness(Scorer):
    name = "brightness"

    def __init__(self, most: int = 100) -> None:
        self.asked, self.most = 0, most

    def score(self, images: torch.Tensor, *, prompt: str | None = None) -> list[Reading]:
        self.asked += 1
        if self.asked > self.most:
            raise ScorerError("the server is gone")
        return [Reading(emotion=Emotion(float(i.mean()) * 4 - 2, 0.5), model=self.name)
                for i in images]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "pictures"
    (place / "deep").mkdir(parents=True)
    for number in range(4):
        data = to_png(torch.full((16, 24, 3), number / 4))
        (place / ("deep" if number % 2 else "") / f"={number}.png").write_bytes(data)
    (place / "broken.png").write_bytes(b"\x89PNG no picture")
    return place


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("ended_after", [0, 1, 3])
def test_a_run_that_ended_early_is_gone_on_with(
    folder: Path, tmp_path: Path, ended_after: int
) -> None:
    whole, table = tmp_path / "whole.csv", tmp_path / "scores.csv"
    list(score_folder(folder, whole, Brightness()))
    with pytest.raises(ScorerError):
        list(score_folder(folder, table, Brightness(most=ended_after)))
    with table.open("a", encoding="utf-8") as stream:
        stream.write("broken-off.png,0.1")  # the line in which a machine went down
    after = Brightness()
    scored = list(score_folder(folder, table, after))
    assert after.asked == 4 - ended_after
    by_name = sorted(rows(table), key=lambda row: row["picture"])
    assert by_name == sorted(rows(whole), key=lambda row: row["picture"])
    assert [each.path.name for each in scored if each.emotion is None] == ["broken.png"]
    assert all(not row["picture"].startswith("=") for row in rows(table))


def test_another_scorer_reads_anew(folder: Path, tmp_path: Path) -> None:
    table, other = tmp_path / "scores.csv", Brightness()
    list(score_folder(folder, table, Brightness()))
    other.name = "other"
    list(score_folder(folder, table, other))
    assert other.asked == 4 and {row["model"] for row in rows(table)} == {"other", ""}


def test_notes_leave_pixels_and_other_metadata(tmp_path: Path) -> None:
    known = PngImagePlugin.PngInfo()
    known.add_text("workflow", '{"nodes": []}')
    picture = Image.effect_noise((32, 24), 60).convert("RGB")
    for name, extra in (("a.png", {"pnginfo": known}), ("b.jpg", {"comment": b"mine"})):
        picture.save(tmp_path / name, **extra)
    before = {name: Image.open(tmp_path / name).tobytes() for name in ("a.png", "b.jpg")}
    arguments = ["score", str(tmp_path), "--out", str(tmp_path / "s.csv"), "--write-metadata",
                 "--sheet", str(tmp_path / "sheet" / "all.png")]  # fmt: skip
    (tmp_path / "sheet").mkdir()
    assert main(arguments) == 0
    (tmp_path / "s.csv").unlink()
    (tmp_path / "sheet" / "all.png").unlink()
    assert main(arguments) == 0  # an older note gives way
    png, jpeg = Image.open(tmp_path / "a.png"), Image.open(tmp_path / "b.jpg")
    assert png.text["workflow"] == '{"nodes": []}'
    read = {row["picture"]: row for row in rows(tmp_path / "s.csv")}
    assert json.loads(png.text["emofeedback"])["file_words"] == read["a.png"]["file_words"]
    assert (tmp_path / "a.png").read_bytes().count(b"emofeedback") == 1
    comments = [body for kind, body in jpeg.applist if kind == "COM"]
    assert sorted(comment[:4] for comment in comments) == [b"emof", b"mine"]
    assert {"a.png": png.tobytes(), "b.jpg": jpeg.tobytes()} == before
    assert Image.open(tmp_path / "sheet" / "all.png").width == 2048
