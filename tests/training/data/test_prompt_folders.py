"""Prompts of a folder that `datasets` wrote are those of a table, and nothing in it is run."""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emofeedback.errors import ConfigError
from training.data.prompt_files import Prompt, read_prompts
from training.data.prompts import load_prompts
from training.data.word_pairs import load_word_pairs

datasets = pytest.importorskip("datasets")
ROWS: dict[str, list[Any]] = {
    "Prompt": ["a dog,  wet", "", "a dog,  wet", "a cat", "a hen"],
    "valence": np.array([2, np.nan, np.nan, np.nan, -1.5], np.float32),
    "arousal": np.array([-1, np.nan, np.nan, np.nan, 3], np.float64),
    "words": ["bright", None, None, None, None],
    "id": [{"of": [number]} for number in range(5)],
}
READ = (
    Prompt("a dog, wet", (2.0, -1.0), "bright"), Prompt("a dog, wet"), Prompt("a cat"),
    Prompt("a hen", (-1.5, 3.0)),
)  # fmt: skip


def written(folder: Path, rows: dict[str, Any], *, files: int = 1) -> Path:
    datasets.Dataset.from_dict(rows).save_to_disk(folder, num_shards=files)
    return folder


@pytest.mark.parametrize("files", [1, 3])
def test_a_folder_holds_the_prompts_of_a_table(
    tmp_path: Path, files: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder = written(tmp_path / "rows", ROWS, files=files)
    ran = tmp_path / "ran"
    for name in ("rows.py", "dataset.py", "__init__.py"):
        (folder / name).write_text(f"open({str(ran)!r}, 'w')", encoding="utf-8")
    before = sorted(path.name for path in folder.iterdir())
    assert read_prompts(folder) == READ
    with caplog.at_level("INFO"):
        found = load_prompts(str(folder))
    assert (found.training, found.held_out) == (("a dog, wet", "a cat"), ("a hen",))
    assert [row.target for row in found.rows] == [(2.0, -1.0), None, None]
    assert "1 rows repeat a prompt" in caplog.text
    assert not ran.exists() and sorted(path.name for path in folder.iterdir()) == before


def test_of_several_splits_one_is_named(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict(ROWS)
    datasets.DatasetDict({"train": rows}).save_to_disk(tmp_path / "one")
    assert read_prompts(tmp_path / "one") == READ
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(tmp_path / "two")
    with pytest.raises(ConfigError, match="splits train, test: name the folder of one, as .*train"):
        read_prompts(tmp_path / "two")
    assert read_prompts(tmp_path / "two" / "test") == READ


def test_pairs_of_prompts_may_lie_in_a_folder_too(tmp_path: Path) -> None:
    rows = {"neutral": ["a", "b", "c"], "emotional": ["a, sad", "b, mad", "c, glad"],
            "v": [-2, -1, 2.5], "a": [-1, 2, 1.0], "note": ["", "", ""]}  # fmt: skip
    pairs = load_word_pairs(str(written(tmp_path / "pairs", rows)), (), count=1, seed=0)
    assert [each.emotion for each in pairs] == [(-2, -1), (-1, 2), (2.5, 1)]
    broken = written(tmp_path / "broken", rows | {"v": [-2, -7, 2.5]})
    with pytest.raises(ConfigError, match="broken, row 2: needs two prompts"):
        load_word_pairs(str(broken), (), count=1, seed=0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"prompt": ["a", "b"], "valence": [1, 7], "arousal": [0, 0]}, "row 2: .*valence is 7"),
        ({"prompt": ["a"], "valence": [1.0]}, "row 1: valence and arousal are 1.0 and None"),
        ({"prompt": [7]}, "row 1: the prompt is 7, which is no text"),
        ({"prompt": [["a"]]}, r"row 1: the prompt is \['a'\]"),
        ({"prompt": ["a"], "words": [["sad"]]}, r"row 1: words is \['sad'\]"),
        ({"sentence": ["a"], "id": [1]}, "has the columns sentence, id, none of which"),
        ({"prompt": ["a"], "Prompt ": ["b"]}, "two columns 'prompt'"),
        ({"prompt": ["", None]}, "empty of prompts"),
    ],
)
def test_what_cannot_be_a_prompt_is_named_by_folder_row_and_column(
    tmp_path: Path, rows: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"rows.*{message}"):
        read_prompts(written(tmp_path / "rows", rows))


def test_a_folder_that_is_not_whole_is_refused_by_its_file(tmp_path: Path) -> None:
    folder = written(tmp_path / "rows", ROWS)
    state, data = folder / "state.json", folder / "data-00000-of-00001.arrow"
    (tmp_path / "other.arrow").write_bytes(data.read_bytes())
    whole, told = data.read_bytes(), json.loads(state.read_text())
    for end in range(0, len(whole), 8):  # also where one batch ends and none has begun
        data.write_bytes(whole[:end])
        with pytest.raises(ConfigError, match="data-00000-of-00001.arrow is no whole Arrow file"):
            read_prompts(folder)
    for place in range(len(whole) // 2, len(whole)):  # lengths and offsets of texts lie there
        data.write_bytes(whole[:place] + b"\x7f" + whole[place + 1 :])
        with contextlib.suppress(ConfigError):
            assert all(isinstance(row.text, str) for row in read_prompts(folder))
    data.write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="git lfs pull"):
        read_prompts(folder)
    data.unlink()
    with pytest.raises(ConfigError, match="names 'data-00000-of-00001.arrow', which does not lie"):
        read_prompts(folder)
    for name in ("../other.arrow", str(tmp_path / "other.arrow"), "", "..", 7, None):
        state.write_text(json.dumps(told | {"_data_files": [{"filename": name}]}))
        with pytest.raises(ConfigError, match="does not lie|not as `datasets` writes it"):
            read_prompts(folder)
    for text in ("{", "[]", "{}", '{"_data_files": 3}', "[" * 100_000):
        state.write_text(text)
        with pytest.raises(ConfigError, match="state.json is not as `datasets` writes it"):
            read_prompts(folder)
    state.unlink()
    with pytest.raises(ConfigError, match="has not written it by save_to_disk"):
        load_prompts(str(folder))
    with pytest.raises(ConfigError, match="neither a file, nor a folder, nor a set of ours"):
        load_prompts(str(tmp_path / "gone"))
