"""A scorer's GRPO that was killed or stopped goes on to the same bits."""

import functools
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emofeedback.embedded.weights import FOLDER
from training.runs.run_state import whole_checkpoints
from training.runs.tracking import LOG_FILE, read_log
from training.scorer import grpo
from training.scorer.lasting import Lasting, walk
from training.train import main

SMALL = (
    "threads=1", "minutes=60", "checkpoint_every=1", "tensorboard=false",
    "scorer.pictures=3", "scorer.held_out=2", "scorer.multi_task=false", "scorer.batch=8",
    "scorer.num_generations=4", "scorer.max_completion_length=2", "scorer.learning_rate=0.01",
    "scorer.supervised_steps=1", "scorer.form=expected",
)  # fmt: skip


def reward_functions_with(
    monkeypatch: pytest.MonkeyPatch, number: int, event: Callable[[], object]
) -> None:
    """Something happens while the rewards of a step are found: `number` counts from 1."""
    real, calls = grpo.reward_functions, []

    def found(config):
        first, *others = real(config)

        @functools.wraps(first)
        def watched(*arguments, **columns):
            calls.append(1)
            if len(calls) == number:
                event()
            return first(*arguments, **columns)

        return [watched, *others]

    monkeypatch.setattr(grpo, "reward_functions", found)


def written(run: Path) -> dict[Path, int]:
    """When each file was written, but for the one that tells of every start."""
    files = (path for path in run.rglob("*") if path.is_file() and path.name != "run.json")
    return {path: path.stat().st_mtime_ns for path in files}


def stopped_before(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """SIGTERM comes after so many steps, before the next draws its answers."""
    real = Lasting.on_step_begin

    def found(self, args, state, control, **parts):
        real(self, args, state, control, **parts)
        if state.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Lasting, "on_step_begin", found)


@pytest.mark.parametrize(
    ("extra", "killed", "stopped", "kept"),
    [
        (["steps=3"], 1, 2, 2),
        # answers serve two updates of two passes: only even steps can be gone on with
        (["steps=6", "scorer.trl.num_iterations=2", "scorer.trl.gradient_accumulation_steps=2",
          "scorer.supervised_steps=0"], 2, 5, 4),
    ],
    ids=["plain", "reused"],
)  # fmt: skip
def test_killed_then_stopped_is_the_same_as_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: list[str], killed: int, stopped: int,
    kept: int,
) -> None:  # fmt: skip
    whole, run = tmp_path / "whole", tmp_path / "run"
    with monkeypatch.context() as patch:  # what a kill within a step leaves is what lies there then
        reward_functions_with(patch, 2, lambda: shutil.copytree(whole, run))
        assert main(["--preset", "scorer", "--run", str(whole), *SMALL, *extra]) == 0
    assert whole_checkpoints(run / "checkpoints")[-1].name == f"step-{killed:06d}"
    with monkeypatch.context() as patch:
        stopped_before(patch, stopped)
        assert main(["--resume", str(run), "checkpoint_every=100"]) == 130
    assert whole_checkpoints(run / "checkpoints")[-1].name == f"step-{kept:06d}"
    assert main(["--resume", str(run)]) == 0
    done = written(run)
    assert main(["--resume", str(run)]) == 0  # which has nothing left to do, and so to write
    assert written(run) == done
    assert not [path for path in run.rglob("*") if path.suffix in {".pt", ".pth", ".bin", ".pkl"}]

    ours, theirs = (load_file(each / "scorer" / "model.safetensors") for each in (run, whole))
    shipped = load_file(FOLDER / "drawn_lvlm" / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert any(not torch.equal(theirs[name], shipped[name]) for name in theirs)
    tables = [json.loads((each / "table.json").read_text("utf-8")) for each in (run, whole)]
    assert tables[0] == tables[1]
    logs = [read_log(each / LOG_FILE) for each in (run, whole)]
    for line in [*logs[0], *logs[1]]:
        del line["step_time"]
        line["loss"] = pytest.approx(line["loss"], rel=1e-6)  # which TRL divides by the steps
    assert logs[0] == logs[1]
    assert [line["step"] for line in logs[0]] == list(range(1, len(logs[0]) + 1))
    assert sum(line["grad_norm"] > 0 for line in logs[0]) >= 2


def test_the_walk_takes_every_picture_once_a_round_wherever_it_is_taken_up() -> None:
    places = walk(5, 0, 0, 23)
    assert all(sorted(places[first : first + 5]) == list(range(5)) for first in range(0, 20, 5))
    assert places[:5] != places[5:10] and walk(5, 1, 0, 23) != places
    assert [walk(5, 0, first, 23) for first in range(24)] == [places[n:] for n in range(24)]
