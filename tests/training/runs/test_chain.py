"""The paper's three stages from one command: each trains, hands on, and is not done again."""

import json
from pathlib import Path

import pytest

from training.runs import chain
from training.runs.tracking import LOG_FILE, read_log
from training.scorer.lasting import Lasting
from training.train import main

TINY = (
    "threads=1", "steps=1", "tensorboard=false", "checkpoint_every=1", "model.size=64",
    "chain.start_steps=0", "chain.scorer_steps=2", "chain.num_prompts=1", "chain.levels=2",
    "chain.pictures=2",
    "chain.candidates=2", "scorer.batch=8", "scorer.pictures=8", "scorer.held_out=4",
    "data.prompts_per_step=1", "rollout.group_size=2", "rollout.num_inference_steps=2",
    "rollout.window=1", "watch.pictures=2", "watch.table_steps=2",
)  # fmt: skip


def test_a_chain_that_was_stopped_goes_on_and_reports_every_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = tmp_path / "run", tmp_path / "evaluation.csv"
    asked.write_text("prompt,valence,arousal\na tree by the sea,2,-1\n", encoding="utf-8")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    def stopped_after_one(scorer: Lasting, *_: object, **__: object) -> None:
        if scorer.step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Lasting, "on_step_begin", stopped_after_one)
        assert (
            main(["--preset", "chain", "--run", str(folder), *TINY, f"data.evaluation={asked}"])
            == 130
        )
    scored = folder / chain.SCORER / LOG_FILE
    (first,) = scored.read_text("utf-8").splitlines()
    with monkeypatch.context() as patch:
        patch.setattr(chain, "_evaluation", stopped)
        assert main(["--resume", str(folder)]) == 130
    assert scored.read_text("utf-8").splitlines()[0] == first
    assert [line["step"] for line in read_log(scored)] == [1, 2]
    trained = folder / chain.GENERATOR / chain.CHECKPOINT
    made = trained.stat().st_mtime_ns
    assert main(["--resume", str(folder)]) == 0
    assert trained.stat().st_mtime_ns == made
    found = json.loads((folder / "report.json").read_text("utf-8"))
    assert found["scorer"]["pictures"] == 4
    assert found["generator"]["steps"] == 1 and "watch/error" in found["generator"]["watch_last"]
    systems = found["evaluation"]["systems"]
    assert systems["adapter"]["v_constant"] == 2 and systems["adapter"]["a_constant"] == 1
    assert len(systems) == 5 and not found["evaluation"]["circular"]
    assert "drawn_v1" in found["evaluation"]["scorer"]  # the server says what it was taught
    report = (folder / "report.md").read_text("utf-8")
    assert all(f"`{kind}@trained`" in report for kind in ("adapter", "loop", "loop-lvlm"))
