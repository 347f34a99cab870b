"""An evaluation file of its own is what a run is measured with, and never what it is trained on."""

import json
from pathlib import Path

import pytest

from emofeedback.errors import ConfigError
from training.data.prompts import load_prompts
from training.evaluate import main as evaluate
from training.rl import watch
from training.runs.tracking import LOG_FILE, read_log
from training.settings.files import load_config, preset_path
from training.train import main

datasets = pytest.importorskip("datasets")
ROWS = "prompt,valence,arousal,words\na ship,3,-2,calm\na ship,-3,2,\na tree,1,1,\n"
TINY = (
    "threads=1", "tensorboard=false", "sheet_every=0", "checkpoint_every=1",
    "data.prompts_per_step=1", "rollout.group_size=2", "watch.every=1", "watch.pictures=4",
    "watch.table_steps=2",
)  # fmt: skip


def a_folder(path: Path) -> Path:
    """Prompts to train on, as `datasets` writes them."""
    rows = {
        "prompt": ["a dog", "a cat", "a hen"],
        "valence": [2.0, None, -1],
        "arousal": [1, None, 0],
    }
    datasets.Dataset.from_dict(rows).save_to_disk(path)
    return path


@pytest.mark.parametrize("kind", ["clip", "nft"])
def test_a_run_is_measured_with_its_evaluation_file_and_notices_another(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    run, file = tmp_path / "run", tmp_path / "evaluation.csv"
    file.write_text(ROWS, encoding="utf-8")
    seen: list[tuple] = []
    paint = watch.paint

    def seen_paint(policy, tasks, **settings):
        seen.append(tuple((t.prompt, t.target, t.told) for t in tasks))
        return paint(policy, tasks, **settings)

    monkeypatch.setattr(watch, "paint", seen_paint)
    named = [f"data.prompts={a_folder(tmp_path / 'prompts')}", f"data.evaluation={file}"]
    asked = ["--preset", "smoke", "--run", str(run), "steps=2", f"loss.kind={kind}"]
    assert main([*asked, *TINY, *named]) == 0
    assert len(seen) == 3 and len(set(seen)) == 1, "the same pictures at every measurement"
    assert set(seen[0]) == {
        ("a ship", (3.0, -2.0), "a ship, calm"), ("a ship", (-3.0, 2.0), "a ship"),
        ("a tree", (1.0, 1.0), "a tree"),
    }  # fmt: skip
    assert sum("watch/reward" in line for line in read_log(run / LOG_FILE)) == 3
    assert load_config(run / "config.yaml").data.evaluation == str(file)
    # the same rows in another shape are the same; others are not, nor are others to train on
    rows = [line.split(",") for line in ROWS.splitlines()[1:]]
    keys = ("prompt", "valence", "arousal", "words")
    same = [json.dumps(dict(zip(keys, row, strict=True))) for row in rows]
    file.write_text("\n".join(same), encoding="utf-8")
    assert main(["--resume", str(run), "steps=3"]) == 0
    file.write_text(ROWS.replace("a tree,1", "a tree,2"), encoding="utf-8")
    assert main(["--resume", str(run), "steps=4"]) == 2
    assert "prompts of data.evaluation are not those that the run began with" in caplog.text
    file.write_text(ROWS, encoding="utf-8")
    datasets.Dataset.from_dict({"prompt": ["a dog", "a cow"]}).save_to_disk(tmp_path / "prompts")
    assert main(["--resume", str(run), "steps=4"]) == 2
    assert "prompts of data.prompts are not those" in caplog.text


def test_the_closing_table_asks_for_each_row_of_the_file(tmp_path: Path) -> None:
    run, file = tmp_path / "run", tmp_path / "evaluation.csv"
    file.write_text(ROWS, encoding="utf-8")
    small = ["steps=1", "model.size=64", "rollout.num_inference_steps=2", "rollout.window=1",
             "reward.scorer=rules", f"data.evaluation={file}"]  # fmt: skip
    assert main(["--preset", "tiny-window", "--run", str(run), *TINY, *small]) == 0
    table = json.loads((run / "table.json").read_text())
    assert table["pictures"] == 3 and "content" not in table
    text = (run / "table.md").read_text()
    assert "constant predictor 2.33" in text and "nan" not in text
    first = read_log(run / LOG_FILE)[0]
    assert "watch/error" in first and "watch/judged_content" not in first


def test_prompts_to_measure_with_leave_all_others_for_training(tmp_path: Path) -> None:
    file, alone = tmp_path / "evaluation.csv", tmp_path / "one.txt"
    file.write_text(ROWS, encoding="utf-8")
    alone.write_text("a dog\n", encoding="utf-8")
    found = load_prompts(str(alone), str(file))
    assert (found.training, found.held_out) == (("a dog",), ("a ship", "a tree"))
    assert sorted(row.target for row in found.measured) == [(-3, 2), (1, 1), (3, -2)]
    folder = load_prompts(str(file), str(a_folder(tmp_path / "folder")))
    assert folder.training == ("a ship", "a tree") and len(folder.measured) == 3
    drawn = load_prompts("drawn")
    assert [row.text for row in drawn.measured] == list(drawn.held_out)


def test_a_prompt_is_not_trained_on_and_measured_with(tmp_path: Path) -> None:
    file, trained = tmp_path / "evaluation.csv", tmp_path / "trained.txt"
    file.write_text(ROWS, encoding="utf-8")
    trained.write_text("a dog\nA  Ship\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="2 of 3 prompts of data.evaluation .*'a ship' is the"):
        load_prompts(str(trained), str(file))
    text = load_prompts("drawn").training[5].upper()
    trained.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="1 of 1 prompts of data.evaluation"):
        load_prompts("drawn", str(trained))
    with pytest.raises(ConfigError, match="data.evaluation is 'gone': neither a file nor a folder"):
        load_prompts("drawn", "gone")


@pytest.mark.parametrize("stage", ["adapter", "scorer", "refiner", "embedded-lvlm"])
def test_a_stage_that_asks_for_no_prompt_refuses_an_evaluation_file(stage: str) -> None:
    with pytest.raises(ConfigError, match=f"stage {stage} measures with no prompts"):
        load_config(None, [f"stage={stage}", "data.evaluation=mine.csv"])


def test_a_run_that_measures_nothing_refuses_an_evaluation_file() -> None:
    with pytest.raises(ConfigError, match="nothing is measured: set watch.every"):
        load_config(preset_path("smoke"), ["data.evaluation=mine.csv"])
    load_config(preset_path("smoke"), ["data.evaluation=mine.csv", "watch.every=1"])


def test_an_evaluation_asks_for_the_rows_of_its_file(tmp_path: Path) -> None:
    file, out = tmp_path / "evaluation.csv", tmp_path / "out"
    file.write_text(ROWS, encoding="utf-8")
    asked = ["adapter", "--evaluation", str(file), "--size", "64", "--steps", "2", "--sweeps", "0",
             "--threads", "1", "--out", str(out)]  # fmt: skip
    assert evaluate([*asked, "--num-prompts", "3"]) == 2  # two different ones are there
    assert evaluate([*asked, "--num-prompts", "2"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["systems"]["adapter"]["v_constant"] == pytest.approx(7 / 3)
    assert not report["world"] and "clip_pair" not in report["systems"]["adapter"]
