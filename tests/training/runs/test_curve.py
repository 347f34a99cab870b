"""Learning curves: every run is drawn, and what cannot be drawn is said."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.curve import main
from training.runs.curve import read_curve, save_curves


def run_folder(folder: Path, errors: list[float]) -> Path:
    folder.mkdir()
    lines: list[dict[str, float]] = [{"step": 1, "loss": 0.5}]
    for index, error in enumerate(errors):
        lines.append(
            {"step": index, "time/total_s": 60.0 * index, "watch/reward": 1.0, "watch/error": error}
        )
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_the_curve_shows_measurements_only_and_every_run(tmp_path: Path) -> None:
    falling = run_folder(tmp_path / "falling", [1.0, 0.5, 0.2])
    rising = run_folder(tmp_path / "rising", [1.0, 1.5, 2.0])
    assert [line["watch/error"] for line in read_curve(falling)] == [1.0, 0.5, 0.2]
    drawn = []
    for number, runs in enumerate(([falling], [rising], [falling, rising])):
        save_curves(runs, tmp_path / f"{number}.png")
        drawn.append(np.asarray(Image.open(tmp_path / f"{number}.png")))
    assert not np.array_equal(drawn[0], drawn[1])
    orange = (np.abs(drawn[2].astype(int) - (0xD5, 0x5E, 0)).sum(2) < 30).any()
    assert orange and not (np.abs(drawn[0].astype(int) - (0xD5, 0x5E, 0)).sum(2) < 30).any()


def test_what_holds_no_curve_is_refused_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    short = run_folder(tmp_path / "short", [1.0])
    assert main([str(short), "--out", str(tmp_path / "c.png")]) == 2
    assert main([str(tmp_path), "--out", str(tmp_path / "c.png")]) == 2
    assert "holds 1 measurements" in caplog.text and "holds no log.jsonl" in caplog.text
    assert not (tmp_path / "c.png").exists()


def test_a_run_that_was_cut_off_while_writing_and_runs_of_one_name_are_drawn(
    tmp_path: Path,
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    one, other = (run_folder(tmp_path / place / "run", [1.0, 0.5]) for place in ("a", "b"))
    with (other / "log.jsonl").open("a") as file:
        file.write('{"step": 3, "watch/rew')
    assert len(read_curve(other)) == 2
    save_curves([one], tmp_path / "one.png")
    save_curves([one, other], tmp_path / "new folder" / "two.png")
    alone, both = (Image.open(p) for p in (tmp_path / "one.png", tmp_path / "new folder/two.png"))
    assert not np.array_equal(np.asarray(alone), np.asarray(both))


def test_a_curve_that_cannot_be_written_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_folder(tmp_path / "run", [1.0, 0.5])
    assert main([str(run), "--out", str(tmp_path / "curve.pgn")]) == 2
    assert main([str(run), "--out", str(run / "log.jsonl" / "curve.png")]) == 2
    assert "curve.pgn" in caplog.text and "cannot be written" in caplog.text
