"""The helper under every recipe: budgets, learning rates, averaged weights."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from emofeedback.errors import CheckpointError
from training.recipes.files import export
from training.runs.optim import MuonOptim, Optim
from training.runs.run import Run, RunOptions, StepRandom
from training.runs.run_state import load_latest


@dataclass(frozen=True)
class Config:
    width: int = 3


def toy(folder: Path, *, steps: int | None = 6, **options) -> tuple[Run, torch.nn.Linear]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 3)
    optim = Optim(learning_rate=0.01, warmup_steps=2, ema_decay=0.8)
    where = RunOptions(run_dir=folder, steps=steps, threads=1, **options)
    run = Run("toy", where, config=Config(), modules={"toy": model}, optim=optim)
    return run, model


def loss_of(model: torch.nn.Linear):
    def loss(random: StepRandom):
        inputs = torch.randn(4, 3, generator=random.torch) + torch.rand(4, 3)
        scale = float(random.numpy.random())
        return (model(inputs) - scale * inputs).square().mean(), {"scale": scale}

    return loss


def rates(folder: Path, monkeypatch, **options) -> list[float]:
    run, model = toy(folder, **options)
    seen = []
    real = Optim.rate
    monkeypatch.setattr(
        Optim, "rate", lambda self, step, progress: seen.append(real(self, step, progress)) or 0.01
    )
    run.fit(loss_of(model))
    return seen


def test_the_rate_warms_up_and_decays_to_its_floor(tmp_path, monkeypatch):
    seen = rates(tmp_path, monkeypatch, steps=40)
    assert seen[0] == pytest.approx(0.005, rel=0.01)
    assert seen[1:] == sorted(seen[1:], reverse=True)
    assert seen[-1] < 0.03 * 0.01


def test_a_budget_of_no_steps_changes_nothing_and_still_reports(tmp_path):
    run, model = toy(tmp_path, steps=0)
    before = model.weight.clone()
    run.fit(loss_of(model), report=lambda _: {"mean": float(model.weight.mean())})
    assert torch.equal(before, model.weight)
    assert run.reported["mean"] == pytest.approx(before.mean().item())


def test_averaged_weights_are_in_place_only_inside_the_block(tmp_path):
    run, model = toy(tmp_path)
    run.fit(loss_of(model))
    trained = model.weight.clone()
    with run.averaged():
        inside = model.weight.clone()
    assert torch.equal(model.weight, trained)
    assert torch.equal(inside, run.ema["toy.weight"])
    assert not torch.equal(inside, trained)


def test_a_longer_budget_goes_on_where_the_shorter_one_ended(tmp_path):
    run, model = toy(tmp_path)
    run.fit(loss_of(model))
    longer, model = toy(tmp_path, steps=9)
    assert longer.step == 6
    longer.fit(loss_of(model))
    assert longer.step == 9
    assert "--steps 9" in longer.describe()["command"]


def muon_run(folder: Path, *, killed_at: int = -1) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 3), torch.nn.Linear(9, 9))
    optim = MuonOptim(learning_rate=0.01, warmup_steps=2, weight_decay=0.1)
    where = RunOptions(run_dir=folder, steps=8, threads=1)
    run = Run("toy", where, config=Config(), modules={"toy": model}, optim=optim)
    loss = loss_of(model[:2])

    def interrupted(random: StepRandom):
        if random.step == killed_at:
            raise KeyboardInterrupt
        return loss(random)

    run.fit(interrupted)
    return [value.detach().clone() for value in model.parameters()]


def test_a_resumed_muon_run_equals_an_uninterrupted_one(tmp_path):
    whole = muon_run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        muon_run(tmp_path / "halves", killed_at=4)
    memory = load_latest(tmp_path / "halves" / "checkpoints").optimizer["state"]
    kept = [sorted(values) for values in memory.values()]
    # two matrices and two vectors were trained; the layer that took no part has no memory
    assert sorted(kept) == [["exp_avg", "exp_avg_sq", "step"]] * 2 + [["momentum_buffer"]] * 2
    halves = muon_run(tmp_path / "halves")
    assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))


def test_an_interrupted_update_is_made_again_from_the_checkpoint_before(tmp_path, monkeypatch):
    whole, model = toy(tmp_path / "whole")
    whole.fit(loss_of(model))
    run, model = toy(tmp_path / "cut", checkpoint_seconds=0)
    step, made = run.optimizer.step, []

    def interrupted() -> None:
        step()
        made.append(1)
        if len(made) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(run.optimizer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.fit(loss_of(model))
    again, model = toy(tmp_path / "cut")
    assert again.step == 3
    again.fit(loss_of(model))
    ours, theirs = (
        load_latest(tmp_path / name / "checkpoints").values for name in ("cut", "whole")
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_random_numbers_depend_on_seed_and_step_alone():
    one, same = StepRandom.of(1, 5), StepRandom.of(1, 5)
    others = [StepRandom.of(1, 6), StepRandom.of(2, 5)]
    value = torch.rand(3, generator=one.torch)
    assert torch.equal(value, torch.rand(3, generator=same.torch))
    assert all(not torch.equal(value, torch.rand(3, generator=other.torch)) for other in others)
    assert one.numpy.random() == same.numpy.random()


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    run, model = toy(tmp_path)
    run.fit(loss_of(model))
    weights = model.weight.detach().clone()

    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with torch.no_grad():
        model.weight += 1
    with pytest.raises(CheckpointError, match="No space"):
        run.save()
    kept = load_latest(tmp_path / "checkpoints")
    assert kept.step == 6
    assert torch.equal(kept.values["toy.weight"], weights)


def test_a_run_from_before_checkpoints_were_folders_goes_on(tmp_path):
    run, model = toy(tmp_path)
    run.fit(loss_of(model))
    state = load_latest(tmp_path / "checkpoints")
    tensors = {f"value/{name}": value for name, value in state.values.items()}
    tensors |= {f"average/{name}": value for name, value in state.average.items()}
    for index, memory in state.optimizer["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in memory.items()}
    facts = {**state.facts, "step": "6", "seconds": "1.5"}
    save_file(tensors, tmp_path / "checkpoint.safetensors", metadata=facts)
    shutil.rmtree(tmp_path / "checkpoints")
    again, model_again = toy(tmp_path)
    assert again.step == 6
    assert torch.equal(model_again.weight, model.weight)
    assert torch.equal(again.ema["toy.weight"], run.ema["toy.weight"])


def test_the_log_holds_one_json_object_a_line_with_every_number(tmp_path):
    run, model = toy(tmp_path, steps=20)
    run.fit(loss_of(model), report=lambda _: {"mean": 1.0}, report_every=10)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {"step", "seconds", "loss", "grad_norm", "rate", "scale"} <= set(lines[0])
    assert [line["step"] for line in lines if "report/mean" in line] == [10, 20, 20]


def test_exports_are_half_precision_with_text_beside(tmp_path):
    from safetensors import safe_open

    run, model = toy(tmp_path)
    path = export(tmp_path / "out" / "toy.safetensors", model.state_dict(), run.describe())
    with safe_open(str(path), framework="pt") as file:
        assert file.get_tensor("weight").dtype == torch.float16
        assert json.loads(file.metadata()["config"])["width"] == Config().width
    assert [p.name for p in path.parent.iterdir()] == ["toy.safetensors"]
