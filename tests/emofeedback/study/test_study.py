"""A study by one command: the same pairs for all, resumed, reported; a graph of the user's own."""

import json
from pathlib import Path

import pytest
from tiny_encoders import head_on

pytest.importorskip("diffusers", reason="diffusers asks for transformers 5")

from emofeedback.__main__ import main
from emofeedback.embedded.scorer import load_scorer
from emofeedback.errors import ConfigError
from emofeedback.records.emotion import Emotion
from emofeedback.study.comfy_graph import (
    AIM,
    END,
    SHOWN,
    START,
    GraphPainter,
    asked_graph,
    load_graph,
    takes_aim,
)
from emofeedback.study.painters import Painter
from emofeedback.study.runner import kept_trial
from emofeedback.study.systems import study_systems
from emofeedback.study.trials import Pair, final_gap, run_trial, scorer_as_judge


def test_a_study_goes_on_where_it_was_and_says_what_it_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompts, out = tmp_path / "prompts.txt", tmp_path / "run"
    prompts.write_text("# mine\na boat on the sea\n", encoding="utf-8")
    head = head_on("embedded", tmp_path / "head.safetensors")
    asked = ["study", str(prompts), "--judge", "embedded", "--out", str(out), "--feelings", "2,2",
             "--scorer", f"head:{head}",
             "--rounds", "1", "--candidates", "1", "--steps", "2"]  # fmt: skip
    with caplog.at_level("INFO"):
        assert main(asked) == 0
    assert "The judge never chose." in caplog.text and "| always neutral | 2.83 |" in caplog.text
    figures = json.loads((out / "figures.json").read_text())
    kept = sorted(out.glob("0*.json"))
    assert len(kept) == len(figures) == 8
    before = {path.name: path.stat().st_mtime_ns for path in kept}
    kept[3].unlink()  # as one that was killed while it was made: a picture, no record
    (out / f".{kept[3].name}.partial").write_text("{", encoding="utf-8")
    assert main(asked) == 0
    assert json.loads((out / "figures.json").read_text()) == figures
    changed = [path.name for path in kept if path.stat().st_mtime_ns != before[path.name]]
    assert changed == [kept[3].name]
    assert main([*asked, "--seed", "9"]) == 2 and "other seed" in caplog.text
    assert "![chosen pictures](pictures.jpg)" in (out / "report.md").read_text(encoding="utf-8")


def test_a_graph_that_hands_on_the_aim_is_steered_and_another_is_not(project_root: Path) -> None:
    graph = load_graph(project_root / "workflows" / "api" / "feedback_loop.json")
    assert not takes_aim(graph)
    start = next(key for key, node in graph.items() if node["class_type"] == START)
    graph["90"] = {"class_type": "EmoFB_EncodeEmotion", "inputs": {"emotion": [start, AIM]}}
    assert takes_aim(graph)
    systems = study_systems(2, 3, emotion_input=True)
    assert {system.steer for system in systems if system.emotion_input} == {"words", "aim", "both"}
    assert {system.steer for system in systems if not system.emotion_input} == {"words"}
    assert {s.pictures for s in systems} == {1, 6} and len({s.name for s in systems}) == 8


def test_a_trial_is_what_the_loop_chose_and_the_judge_saw(tmp_path: Path) -> None:
    system = study_systems(1, 3, emotion_input=False)[2]
    pair = Pair("a boat on the sea", Emotion(2, 1), 5)
    trial = kept_trial(
        tmp_path / "x.png",
        lambda: run_trial(
            system, pair, Painter(None, steps=2), load_scorer(), scorer_as_judge(load_scorer())
        ),
    )
    gaps = [pair.target.gap_from(Emotion(*shot.read)).size for shot in trial.shots]
    assert trial.chosen[-1] == gaps.index(min(gaps))
    assert final_gap(trial) == pytest.approx(min(gaps), abs=0.05)  # the judge is the chooser here
    assert kept_trial(tmp_path / "x.png", lambda: pytest.fail("made twice")) == trial


def test_a_graph_is_asked_for_one_round_of_the_studys_own(project_root: Path) -> None:
    graph = load_graph(project_root / "workflows" / "api" / "feedback_loop.json")
    asked = asked_graph(graph, "a dog", Emotion(1, -2), 3, 11)
    by_kind = {node["class_type"]: node["inputs"] for node in asked.values()}
    start = by_kind[START]
    assert (start["prompt"], start["rounds"], start["candidates"], start["seed"]) == (
        "a dog", 1, 3, 11,
    )  # fmt: skip
    assert asked[start["target"][0]]["inputs"]["arousal"] == -2
    assert asked[asked[SHOWN]["inputs"]["images"][0]]["class_type"] == END
    assert SHOWN not in graph


def test_what_is_no_graph_or_no_server_is_refused(project_root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 nodes EmoFB_StartLoop"):
        load_graph(project_root / "workflows" / "api" / "emotion_grid.json")
    (tmp_path / "page.json").write_text('{"nodes": []}', encoding="utf-8")
    with pytest.raises(ConfigError, match="Export"):
        load_graph(tmp_path / "page.json")
    with pytest.raises(ConfigError, match="may not be called"):
        GraphPainter({}, "http://10.0.0.1:8188", Emotion(0, 0))
    graph = load_graph(project_root / "workflows" / "api" / "feedback_loop.json")
    with pytest.raises(ConfigError, match="No ComfyUI answers"):
        GraphPainter(graph, "http://127.0.0.1:9", Emotion(0, 0))(["a dog"], 1)
