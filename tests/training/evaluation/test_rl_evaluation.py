"""Systems side by side: equal tasks and noise, counted pictures, weights as they were saved."""

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoders import head_on

from emofeedback.control.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.errors import CheckpointError, ConfigError
from emofeedback.refining.cues import FAMILIES
from training.data.prompts import Task
from training.evaluate import main
from training.evaluation.options import EvaluationOptions
from training.evaluation.panel import open_panel
from training.evaluation.systems import ReaderScorer, parse_system
from training.evaluation.trained_weights import rank_of, weights_of
from training.families.smoke import SmokeFamily
from training.rl.measure import cue_variety, judged, paint
from training.rl.policy import Policy
from training.runs.run_state import RunState, save_state
from training.settings.config import ModelConfig
from training.world.judge import judge
from training.world.render import render
from training.world.scene import sample_scene

TASKS = [Task("a boat on the sea", (2.0, -1.0)), Task("a dog in the forest", (-2.0, 1.0))]
RANK_4 = ModelConfig(lora_rank=4, lora_alpha=8)
SAMPLER = {"steps": 3, "guidance": 1.0, "seed": 0}


def saved(folder: Path, *, change: float, family: str = "smoke") -> tuple[Policy, Path]:
    """A policy whose trained values moved by `change`, and its checkpoint."""
    policy = Policy(SmokeFamily(), RANK_4)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in policy.parameters().values():
            value.add_(change * torch.randn(value.shape, generator=draw))
    files = save_checkpoint(
        folder, family, policy.adapter, EmotionFacts(base_family=family),
        lora=policy.lora_state(), lora_scale=policy.lora_scale,
    )  # fmt: skip
    return policy, files["emotion"]


def test_a_checkpoint_paints_what_its_policy_painted(tmp_path: Path) -> None:
    trained, path = saved(tmp_path, change=0.05)
    assert rank_of(path) == 4
    # another alpha here: it is folded into the file
    policy = Policy(SmokeFamily(), ModelConfig(lora_rank=4, lora_alpha=4))
    base = paint(policy, TASKS, **SAMPLER)
    with weights_of(policy, path):
        found = paint(policy, TASKS, **SAMPLER)
    torch.testing.assert_close(found, paint(trained, TASKS, **SAMPLER), atol=1e-5, rtol=0)
    assert (found - base).abs().max() > 1e-3
    with weights_of(policy, None):
        assert torch.equal(paint(policy, TASKS, **SAMPLER), base)


def test_a_run_on_its_way_paints_what_its_average_would(tmp_path: Path) -> None:
    trained, _ = saved(tmp_path, change=0.05)
    config = tmp_path / "config.yaml"
    config.write_text("model: {lora_rank: 4, lora_alpha: 8}", encoding="utf-8")
    state = RunState(step=7, values=Policy(SmokeFamily(), RANK_4).snapshot())
    state.average = trained.snapshot()
    folder = save_state(tmp_path / "checkpoints", state, keep=1)
    assert rank_of(folder) == 4
    policy = Policy(SmokeFamily(), ModelConfig(lora_rank=4, lora_alpha=4))
    random_state = torch.get_rng_state()
    with weights_of(policy, folder):
        found = paint(policy, TASKS, **SAMPLER)
    torch.testing.assert_close(found, paint(trained, TASKS, **SAMPLER), atol=1e-5, rtol=0)
    assert torch.equal(torch.get_rng_state(), random_state)
    state.average = state.values = {"adapter.other": torch.ones(1)}
    folder = save_state(tmp_path / "checkpoints", state, keep=1)
    with pytest.raises(CheckpointError, match=r"step-000007 has no .*'smoke'"):
        weights_of(policy, folder).__enter__()


def test_a_run_that_trained_no_adapter_has_the_one_it_began_with(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: {lora_rank: 4, lora_alpha: 8}", encoding="utf-8")
    made = Policy(SmokeFamily(), RANK_4)
    began = {name: value + 1 for name, value in made.start_adapter.state_dict().items()}
    lora = {name: v for name, v in made.snapshot().items() if not name.startswith("adapter.")}
    folder = save_state(
        tmp_path / "checkpoints", RunState(step=3, values=lora, start=began), keep=1
    )
    with weights_of(made, folder):
        assert all(torch.equal(v, began[k]) for k, v in made.adapter.state_dict().items())


def test_foreign_and_lone_checkpoints_and_unknown_systems_are_refused(tmp_path: Path) -> None:
    policy, path = saved(tmp_path, change=0.0, family="flux")
    with pytest.raises(CheckpointError, match="family 'flux'; this model is 'smoke'"):
        weights_of(policy, path).__enter__()
    _, path = saved(tmp_path / "lone", change=0.0)
    (tmp_path / "lone" / "smoke_lora.safetensors").unlink()
    with pytest.raises(CheckpointError, match="LoRA of .* is not beside it"):
        weights_of(policy, path).__enter__()
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="empty holds no .* RUN/checkpoints"):
        rank_of(tmp_path / "empty")
    with pytest.raises(ConfigError, match="no system 'lop'. Known: adapter, best-of-n, loop"):
        parse_system("lop")


def test_a_real_model_is_not_measured_by_the_drawn_worlds_judge() -> None:
    with pytest.raises(ConfigError, match="knows drawn pictures only. Give --judge-server"):
        open_panel(EvaluationOptions(systems=("adapter",), model="some/folder"))
    images = torch.rand(2, 8, 8, 3)
    seen = judged(images, TASKS, lambda pictures: torch.tensor([[1.0, -1.0], [0.0, 4.0]]))
    assert seen.gap_sum.tolist() == [1.0, 5.0] and seen.content.isnan().all()
    reading = ReaderScorer(lambda pictures: torch.tensor([[0.0, 4.0]])).score(images[:1])[0]
    assert (reading.emotion.valence, reading.emotion.arousal) == (0.0, 3.0)


def test_variety_counts_the_cues_that_say_one_target() -> None:
    same = torch.tensor([[3, 0]] * 4)
    assert cue_variety(same, ["a"] * 4) == 1
    # both families: two cues half and half, then four different ones; the second target has one
    many = torch.tensor([[0, 1], [0, 2], [1, 3], [1, 4], [7, 7]])
    assert cue_variety(many, ["a"] * 4 + ["b"]) == pytest.approx((2 + 4 + 1 + 1) / 4)
    assert math.isnan(cue_variety(torch.empty(4, 0), ["a"] * 4))


def test_the_judge_names_the_cues_of_drawn_pictures() -> None:
    scenes = [sample_scene(np.random.default_rng(seed), split="held_out") for seed in range(24)]
    pictures = torch.stack([torch.from_numpy(np.array(render(s, 128))) for s in scenes]) / 255
    true = torch.tensor([
        [[cue.name for cue in FAMILIES[family]].index(name)
         for family, name in zip(FAMILIES, scene.cues, strict=True)]
        for scene in scenes
    ])  # fmt: skip
    assert (judge(pictures).cues == true).float().mean() > 0.9


def test_the_command_compares_all_systems_at_counted_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    _, same = saved(tmp_path, change=0.0)
    out = tmp_path / "out"
    code = main([
        "adapter", f"adapter@{same}", "words", "phrase", "best-of-n", "loop",
        "--model", "smoke", "--num-prompts", "1", "--levels", "2", "--sweeps", "1",
        "--pictures", "2", "--candidates", "1", "--steps", "2", "--out", str(out),
    ])  # fmt: skip
    assert code == 0
    systems = json.loads((out / "report.json").read_text())["systems"]
    assert {name: s["pictures_per_task"] for name, s in systems.items()} == {
        "adapter": 1, f"adapter@{same}": 1, "words": 1, "phrase": 1, "best-of-n": 2, "loop": 2,
    }  # fmt: skip
    # an untrained checkpoint is the base, picture by picture
    assert systems[f"adapter@{same}"]["change"] == {"mean": 0, "low": 0, "high": 0, "count": 4}
    assert all(s["v_constant"] == 3 for s in systems.values())
    assert "sweep_tau" in systems["phrase"] and "sweep_tau" not in systems["words"]
    assert (out / "readings.png").is_file() and len(list(out.glob("*.png"))) == 7
    report = (out / "report.md").read_text()
    assert report.startswith("Chosen and refined by") and "judged by the drawn" in report
    assert "`words`" in report and "cues a family" in report
    # one picture a target says it in one way
    assert all(s["cue_variety"] == 1 for s in systems.values())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["adapter@gone.safetensors"], "no weight file at gone.safetensors"),
        (["loop-lvlm", "--head", "HEAD"], "needs a scorer that writes"),
        (["--out", "FILE"], "--out is .*no report can be written"),
        (["--candidates", "0"], "--candidates is 0; set it from 1"),
        (["--seed", "-1"], "--seed is -1"),
        (["--steps", "0"], "--steps is 0"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_painted(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    monkeypatch.setattr(SmokeFamily, "decode", lambda *_, **__: pytest.fail("it painted"))
    (tmp_path / "file").write_text("mine")
    if "HEAD" in words:
        head_on("embedded", tmp_path / "head.safetensors")
    named = {"FILE": str(tmp_path / "file"), "HEAD": str(tmp_path / "head.safetensors")}
    asked = ["words", *(named.get(word, word) for word in words)]
    assert main(["--out", str(tmp_path / "out"), "--model", "smoke", *asked]) == 2
    assert re.search(told, caplog.text)
    assert (tmp_path / "file").read_text() == "mine"
