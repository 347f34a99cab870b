"""Emotion Report writes by ComfyUI's rules; charts behind a grid take lists."""

import importlib
from pathlib import Path

import pytest
import torch


@pytest.fixture
def lib(pack):
    """The library as the pack imported it."""
    return lambda name: importlib.import_module(f"{pack.__name__}.emofeedback.{name}")


@pytest.fixture
def state(lib):
    loop, emotion, scoring = lib("loop.steps"), lib("records.emotion"), lib("records.reading")
    start = loop.start_loop("ein Boot", emotion.Emotion(1, 1))
    reading = scoring.Reading(emotion=emotion.Emotion(0, 0), cues=(scoring.Cue("Sonne \ud800"),))
    return loop.record_scores(start, torch.zeros(1, 16, 16, 3), [reading])


@pytest.fixture
def output(comfyui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import folder_paths

    folder = tmp_path / "output"
    folder.mkdir()
    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(folder))
    return folder


def test_every_run_gets_its_own_three_files(pack_nodes, state, output: Path) -> None:
    node = pack_nodes["EmoFB_EmotionReport"]
    for _ in range(2):
        told = node.execute(state, "emofeedback/my report").ui["emofb_files"]
    names = {str(file.relative_to(output)) for file in output.rglob("*") if file.is_file()}
    stems = ("emofeedback/my report_00001_", "emofeedback/my report_00002_")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("html", "json", "csv")}
    assert {f"{each['subfolder']}/{each['filename']}" for each in told} < names
    assert "Sonne ?" in (output / f"{stems[0]}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "prefix", ["../out", "/etc/report", "a/../../b", "", "  ", "a/", "..", "a\0b", "x" * 5000]
)
def test_a_report_stays_in_the_output_folder(pack_nodes, state, output, prefix: str) -> None:
    before = set(output.parent.rglob("*"))
    with pytest.raises(ValueError, match="(?s)filename prefix is.*Give a name"):
        pack_nodes["EmoFB_EmotionReport"].execute(state, prefix)
    assert set(output.parent.rglob("*")) == before


def test_a_chart_that_no_page_gave_its_theme_is_light(pack, pack_nodes, state) -> None:
    draw = pack_nodes["EmoFB_EmotionChart"].execute
    results = importlib.import_module(f"{pack.__name__}.nodes.widgets.loop_result")
    chart = next(n for n, out in enumerate(results.result_outputs()) if out.display_name == "chart")
    for drawn in (
        lambda theme: draw(200, theme, state)[0],
        lambda theme: results.result_values(state, wired=[chart], theme=theme)[0][chart],
    ):
        assert torch.equal(drawn("auto"), drawn("light"))
        assert not torch.equal(drawn("auto"), drawn("dark"))


@pytest.mark.parametrize("node_id", ["EmoFB_EmotionErrorMap", "EmoFB_EmotionSweep"])
def test_charts_behind_a_grid_take_one_group_of_readings_a_target(
    pack_nodes, lib, node_id: str
) -> None:
    node, reading = pack_nodes[node_id], lib("records.reading").Reading
    targets, _ = pack_nodes["EmoFB_EmotionGrid"].execute(side=3, reach=2.0).args
    groups = [(reading(emotion=target),) for target in targets]
    assert node.GET_SCHEMA().is_input_list
    extra = {"axis": ["arousal"]} if node_id == "EmoFB_EmotionSweep" else {}
    inputs = {"targets": targets, "theme": ["dark"], "size": [320], **extra}
    (chart,) = node.execute(readings=groups, **inputs).args
    assert chart.shape[0] == 1 and chart.shape[2] == 320
    with pytest.raises(ValueError, match="9 targets came with 8 readings"):
        node.execute(readings=groups[:-1], **inputs)
