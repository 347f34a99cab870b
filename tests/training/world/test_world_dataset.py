"""Promises of picture sets and sheets: nothing is drawn twice, nothing half-drawn is read."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("skia", reason="skia-python or libegl1 is missing", exc_type=ImportError)

from training.world.__main__ import main
from training.world.dataset import PictureSet, picture_set
from training.world.render import render

SIZE = 16


def draw(folder: Path, count: int, **options) -> PictureSet:
    options = {"seed": 5, "split": "train", "workers": 1, **options}
    return picture_set(count, size=SIZE, cache_dir=folder, **options)


def stored(folder: Path) -> Path:
    (path,) = folder.glob("*.u8")
    return path


def test_pictures_belong_to_their_scenes(tmp_path):
    drawn = draw(tmp_path, 40)
    assert len(drawn.scenes) == 40
    assert drawn.pictures.shape == (40, SIZE, SIZE, 3)
    for index in (0, 17, 39):
        assert np.array_equal(drawn.pictures[index], render(drawn.scenes[index], SIZE))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    draw(folder, 300)
    return folder


def test_a_larger_set_begins_with_the_smaller_one_and_keeps_what_is_drawn(tmp_path):
    scenes = draw(tmp_path, 100).scenes
    mark = np.memmap(stored(tmp_path), np.uint8, "r+")
    mark[:3] = (1, 2, 3)  # would be lost if the first pictures were drawn again
    mark.flush()
    large = draw(tmp_path, 200)
    assert large.scenes[:100] == scenes
    assert large.pictures[0, 0, 0].tolist() == [1, 2, 3]
    assert np.array_equal(large.pictures[199], render(large.scenes[199], SIZE))


def test_a_truncated_set_is_completed(tmp_path, finished):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    path = stored(tmp_path)
    os.truncate(path, path.stat().st_size // 2 + 7)
    assert np.array_equal(draw(tmp_path, 300).pictures, draw(finished, 300).pictures)


@pytest.mark.parametrize("damage", ["{not json", "[0]", "null", '[0, -1, "x"]'])
def test_a_set_without_its_full_progress_is_completed(tmp_path, finished, damage):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    stored(tmp_path).with_suffix(".json").write_text(damage)
    assert np.array_equal(draw(tmp_path, 300).pictures, draw(finished, 300).pictures)
    assert json.loads(stored(tmp_path).with_suffix(".json").read_text()) == [0, 1, 2]


def test_several_processes_draw_the_same_as_one(tmp_path):
    one = draw(tmp_path / "one", 256)
    two = draw(tmp_path / "two", 256, workers=2)
    assert np.array_equal(one.pictures, two.pictures)


def test_seeds_and_splits_give_other_scenes(tmp_path):
    base = draw(tmp_path, 20).scenes
    assert draw(tmp_path, 20, seed=6).scenes != base
    assert not {(s.place, s.subject) for s in base} & {
        (s.place, s.subject) for s in draw(tmp_path, 20, split="held_out").scenes
    }


@pytest.mark.parametrize("options", [{"count": 0}, {"split": "test"}])
def test_a_set_refuses_what_it_cannot_draw(tmp_path, options):
    with pytest.raises(ValueError, match="count is 0|split is 'test'"):
        draw(tmp_path, options.pop("count", 4), **options)


def test_the_sheet_command_draws_the_plane_and_the_subjects(tmp_path):
    assert main(["sheet", str(tmp_path / "plane.png"), "--size", "32"]) == 0
    assert main(["sheet", str(tmp_path / "all.png"), "--size", "16", "--subjects"]) == 0
    with Image.open(tmp_path / "plane.png") as plane, Image.open(tmp_path / "all.png") as subjects:
        assert plane.width > 5 * 32
        assert subjects.width > 14 * 16


def test_the_dispatcher_lists_its_commands_without_loading_them():
    script = (
        "import sys\nfrom training.world.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'skia', 'transformers'} & set(sys.modules)"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert all(command in run.stdout for command in ("sheet", "train", "evaluate"))
