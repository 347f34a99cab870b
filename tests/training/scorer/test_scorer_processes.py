"""A scorer's GRPO on several processes: one training, whoever shares it and whenever it stops."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from process_groups import in_processes
from safetensors.torch import load_file

from training.runs.run_state import whole_checkpoints
from training.runs.tracking import LOG_FILE, read_log
from training.scorer.lasting import Lasting
from training.train import main

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
SMALL = (
    "steps=3", "threads=1", "minutes=60", "checkpoint_every=1", "compare_every=1",
    "tensorboard=false", "scorer.pictures=5", "scorer.held_out=3", "scorer.batch=8",
    "scorer.num_generations=2", "scorer.max_completion_length=2", "scorer.learning_rate=0.001",
    "scorer.supervised_steps=2", "scorer.form=expected", "scorer.multi_task=false",
)  # fmt: skip


def answers_by_row(share: int, first: int) -> None:
    """From here on torch draws each row's words by the row's place in the whole update.

    Args:
        share: rows of a process.
        first: of them in the update.
    """
    calls = []

    def drawn(probabilities: torch.Tensor, num_samples: int = 1, **_: object) -> torch.Tensor:
        calls.append(1)
        assert num_samples == 1 and len(probabilities) == share
        everyones = torch.rand(8, generator=torch.Generator().manual_seed(len(calls)))
        level = everyones[first : first + share, None] * 0.999
        return (probabilities.cumsum(1) < level).sum(1, keepdim=True)

    torch.multinomial = drawn


def train(run: Path, *overrides: str) -> int:
    return main(["--preset", "scorer", "--run", str(run), *SMALL, *overrides])


def result(run: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, float]], dict[str, float]]:
    log = read_log(run / LOG_FILE)
    for line in log:
        del line["step_time"]
    table = json.loads((run / "table.json").read_text("utf-8"))
    return load_file(run / "scorer" / "model.safetensors"), log, table


def test_two_processes_with_the_same_answers_equal_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(rank: int) -> None:
        answers_by_row(4, 4 * rank)
        assert train(tmp_path / "two") == 0

    in_processes(work)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "multinomial", torch.multinomial)
        answers_by_row(8, 0)
        assert train(tmp_path / "one") == 0
    (ours, log, table), (theirs, alone, told) = (result(tmp_path / k) for k in ("two", "one"))
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=1e-5, rtol=0)
    for one, two in zip(alone, log, strict=True):
        for name, value in one.items():
            assert two[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
    assert any(line["grad_norm"] > 0 for line in log)
    assert table == pytest.approx(told, abs=1e-4)
    begun = json.loads((tmp_path / "two" / "run.json").read_text("utf-8"))
    assert len(begun) == 1 and begun[0]["processes"] == 2  # the first alone keeps files


def test_killed_stopped_and_shared_otherwise_two_processes_go_on(tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"

    def undisturbed(rank: int) -> None:
        seeds = []
        real = torch.multinomial

        def noted(*arguments: object, **named: object) -> torch.Tensor:
            seeds.append(torch.initial_seed())
            return real(*arguments, **named)

        torch.multinomial = noted
        step_end = Lasting.on_step_begin

        def seen(self, args, state, control, **parts):
            if not rank and state.global_step == 1:  # what a kill would leave
                shutil.copytree(whole, run)
            step_end(self, args, state, control, **parts)

        Lasting.on_step_begin = seen
        assert train(whole) == 0
        (tmp_path / f"seeds{rank}.json").write_text(json.dumps(seeds))

    def stopped(rank: int) -> None:
        begin = Lasting.on_step_begin

        def signalled(self, args, state, control, **parts):
            begin(self, args, state, control, **parts)
            if rank and state.global_step == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        Lasting.on_step_begin = signalled
        assert main(["--resume", str(run), "checkpoint_every=100"]) == 130

    in_processes(undisturbed)
    seeds = [set(json.loads((tmp_path / f"seeds{rank}.json").read_text())) for rank in (0, 1)]
    assert [len(each) for each in seeds] == [3, 3] and not seeds[0] & seeds[1]
    in_processes(stopped)
    assert whole_checkpoints(run / "checkpoints")[-1].name == "step-000002"
    shutil.copytree(run, tmp_path / "alone")
    in_processes(lambda rank: main(["--resume", str(run)]))
    (ours, log, table), (theirs, undivided, told) = map(result, (run, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert log == [line | {"loss": pytest.approx(line["loss"])} for line in undivided]
    assert table == told
    assert main(["--resume", str(tmp_path / "alone")]) == 0
    assert [line["step"] for line in read_log(tmp_path / "alone" / LOG_FILE)] == [1, 2, 3]


@pytest.mark.parametrize("name", ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"])
def test_an_engine_that_this_stage_has_not_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(name, "true")
    assert train(tmp_path / "run") == 2
    assert f"sets {name.lower()} to 'true'" in caplog.text and "eight_gpus.yaml" in caplog.text
    assert not (tmp_path / "run").exists()


def test_a_stage_of_one_process_is_not_run_in_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        for stage in ("chain", "adapter", "embedded-lvlm"):
            named = ["--preset", "chain"] if stage == "chain" else [f"stage={stage}"]
            assert main([*named, "--run", str(tmp_path / "run")]) == 2
            assert f"Stage {stage} runs in one process, not in 2" in caplog.text
    assert not (tmp_path / "run").exists()
