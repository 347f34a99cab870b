"""Whatever ends a run keeps its last whole step, and a start that failed blocks nothing."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from emofeedback.errors import CheckpointError, MissingDependencyError, ScorerError
from training.data.prompts import drawn_prompts
from training.families.smoke import SmokeFamily
from training.rewards.models import build_rewards
from training.rl.policy import Policy
from training.rl.trainer import Trainer
from training.runs.run_state import RunState, load_latest, save_state, whole_checkpoints
from training.runs.tracking import LOG_FILE, Tracker, read_log
from training.settings.files import load_config, preset_path
from training.train import main

SMALL = ("tensorboard=false", "sheet_every=0", "rollout.group_size=2", "checkpoint_every=100")


def a_trainer(folder: Path, *overrides: str) -> Trainer:
    config = load_config(preset_path("smoke"), [*SMALL, *overrides])
    policy = Policy(SmokeFamily(), config.model)
    return Trainer(config, policy, build_rewards(config.reward), drawn_prompts(), folder=folder)


def ended_in_step_3(trainer: Trainer, end) -> None:
    submit = trainer.rewards.submit

    def ending(*arguments):
        if trainer.step == 2:
            end()
        return submit(*arguments)

    trainer.rewards.submit = ending


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None])
def test_signals_and_errors_keep_the_last_whole_step(tmp_path: Path, number) -> None:
    def end() -> None:
        if number is None:
            raise ScorerError("the server is gone")
        os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGTERM)
    whole = a_trainer(tmp_path / "whole", "steps=4")
    whole.fit()
    stopped = a_trainer(tmp_path / "run", "steps=4")
    ended_in_step_3(stopped, end)
    with pytest.raises(ScorerError if number is None else KeyboardInterrupt):
        stopped.fit()
    assert signal.getsignal(signal.SIGTERM) == before
    resumed = a_trainer(tmp_path / "run", "steps=4")
    resumed.resume()
    assert resumed.step == 2
    resumed.fit()
    for name, value in whole.policy.snapshot().items():
        assert torch.equal(resumed.policy.snapshot()[name], value)


def test_an_error_within_an_update_keeps_no_half_step(tmp_path: Path) -> None:
    trainer = a_trainer(tmp_path, "steps=4", "optim.updates=2")
    step, calls = trainer.policy.engine.step, []

    def failing(clip_norm: float) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 4:  # the second update of the second step
            raise RuntimeError("out of memory")
        return step(clip_norm)

    trainer.policy.engine.step = failing
    with pytest.raises(RuntimeError):
        trainer.fit()
    assert not whole_checkpoints(tmp_path / "checkpoints")


def test_the_best_by_the_watch_stays_beside_the_last(tmp_path: Path) -> None:
    trainer = a_trainer(tmp_path, "steps=5", "watch.every=1")
    errors = iter([1.0, 0.9, 0.5, 0.7, 0.6, 0.8])
    trainer.watch = lambda: {"watch/reward": 0.0, "watch/error": next(errors)}
    trainer.fit()
    assert load_latest(tmp_path / "best").step == 2
    assert load_latest(tmp_path / "checkpoints").step == 5
    again = a_trainer(tmp_path, "steps=5", "watch.every=1")
    again.resume()
    assert again.best == -0.5


def test_each_step_tells_its_rates_speed_and_memory(tmp_path: Path) -> None:
    a_trainer(tmp_path, "steps=1", "peak_tflops=0.1").fit()
    (line,) = read_log(tmp_path / LOG_FILE)
    assert line["rate/LoRA"] == 1e-2 and line["rate/adapter"] == 1e-3
    assert line["pictures_per_s"] > 0 and line["memory_gib_max"] > 0.05 and 0 < line["mfu"] < 1


def test_a_full_disk_is_told_and_keeps_what_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = a_trainer(tmp_path, "steps=2", "checkpoint_every=1")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def full_after_one() -> None:
        if trainer.step == 1:
            monkeypatch.setattr("safetensors.torch.save_file", full)

    submit = trainer.rewards.submit
    trainer.rewards.submit = lambda *a: (full_after_one(), submit(*a))[1]
    with pytest.raises(CheckpointError, match="No space left.*make room and resume"):
        trainer.fit()
    assert load_latest(tmp_path / "checkpoints").step == 1


def test_a_start_that_failed_blocks_nothing_and_a_run_tells_how_it_began(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    start = ["--preset", "smoke", "--run-dir", str(folder), *SMALL, "steps=1"]
    assert main([*start, "data.prompts=nowhere.txt"]) == 2
    assert not folder.exists()
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert main(["--preset", "smoke", "--run", str(tmp_path / "file")]) == 2
    assert "cannot be made or written" in caplog.text
    assert main(start) == 0
    assert main(start) == 2 and "holds a run" in caplog.text
    (begun,) = json.loads((folder / "run.json").read_text("utf-8"))
    assert begun["versions"]["torch"] == torch.__version__ and begun["cpus"] and begun["command"]
    assert main(["--resume", str(folder), "--run", str(tmp_path / "other")]) == 2
    assert "goes on in its own folder" in caplog.text
    assert main(["--resume", str(folder), "steps=2"]) == 0
    assert len(json.loads((folder / "run.json").read_text("utf-8"))) == 2


def test_a_recipe_refuses_settings_that_it_would_not_hear(caplog) -> None:
    assert main(["stage=embedded-lvlm", "seed=3", "steps=5", "optim.learning_rate=1"]) == 2
    assert "does not take steps, optim.learning_rate; it takes stage, seed" in caplog.text


def test_the_newest_checkpoint_is_the_one_of_most_steps(tmp_path: Path) -> None:
    for step in (999_999, 1_000_000):
        save_state(tmp_path, RunState(step=step), keep=1)
    assert [path.name for path in whole_checkpoints(tmp_path)] == ["step-1000000"]


def test_a_log_a_sheet_and_a_missing_tensorboard_are_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(tmp_path, tensorboard=False)
    tracker.log(1, {"loss": 1.0})
    (tmp_path / "sheets").write_text("a file where the folder belongs")
    with pytest.raises(CheckpointError, match=r"step-000001.png could not be written.*make room"):
        tracker.sheet(1, torch.zeros(2, 4, 4, 3), 2)
    with monkeypatch.context() as patch:  # killed while the lines after the checkpoint go
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Tracker(tmp_path, tensorboard=False, step=0)
    assert [line["step"] for line in read_log(tmp_path / LOG_FILE)] == [1]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingDependencyError, match="pip install tensorboard"):
        Tracker(tmp_path, tensorboard=True)
