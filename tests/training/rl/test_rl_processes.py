"""Several processes equal one, and a run that is killed at any moment goes on as if it were not."""

import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_pipelines import PIPELINES

from emofeedback.errors import EmoFeedbackError
from training.data.prompts import drawn_prompts
from training.families.choose import load_family
from training.rewards.models import build_rewards
from training.rl.policy import Policy
from training.rl.processes import Processes
from training.rl.trainer import Trainer
from training.runs import run_state
from training.settings.config import TrainConfig
from training.settings.files import load_config, preset_path

EQUAL_SLICES = ("rollout.micro_batch=4", "optim.micro_batch=4", "model.size=16")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def smoke(*overrides: str) -> TrainConfig:
    plain = ["tensorboard=false", "sheet_every=0", "rollout.group_size=4", *overrides]
    return load_config(preset_path("smoke"), plain)


def new_trainer(config: TrainConfig, folder: Path | None = None, accelerator=None) -> Trainer:
    family = load_family(config, device=torch.device("cpu"))
    policy = Policy(family, config.model, seed=config.seed)
    rewards = build_rewards(config.reward, gradient=config.loss.pathwise)
    processes = Processes(accelerator)
    return Trainer(config, policy, rewards, drawn_prompts(), folder=folder, processes=processes)


def in_child(work) -> int:
    """Run `work` in a forked process that never returns here; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001  told by the exit status
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def an_accelerator(rank: int, port: int):
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, PartialState

    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._reset_state()
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    return accelerator


def in_two_processes(work) -> None:
    """Run `work(rank, accelerator)` in two processes of one gloo group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = [in_child(lambda r=r: work(r, an_accelerator(r, port))) for r in (0, 1)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def steps_of(trainer: Trainer) -> list[dict[str, float]]:
    return [trainer.train_step() for _ in range(3)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Diffusers folders of tiny random pipelines; "smoke" needs none."""
    found = {}
    for name in ("sd3.5", "flux"):
        found[name] = tmp_path_factory.mktemp(name)
        torch.manual_seed(0)
        PIPELINES[name]().save_pretrained(found[name])
    return found


@pytest.mark.parametrize(
    ("family", "kind", "updates", "within"),
    # one weight of nft's rounds otherwise: by 2e-6 to 4e-6, with ATEN_CPU_CAPABILITY
    [
        ("smoke", "clip", 2, 1e-6), ("smoke", "nft", 2, 1e-5), ("smoke", "awm", 2, 1e-5),
        ("smoke", "pathwise", 1, 1e-6), ("sd3.5", "clip", 2, 1e-5),
        ("flux", "clip", 2, 1e-5),
    ],
)  # fmt: skip
def test_two_processes_equal_one(
    tmp_path: Path, folders: dict[str, Path], family: str, kind: str, updates: int, within: float
) -> None:
    config = smoke(
        f"loss.kind={kind}", "loss.kl_coef=0.01", f"optim.updates={updates}",
        f"model.path={folders.get(family, family)}", "reward.normalise=group",
        # equal slices have equal roundings, which Adam's tiny gradients would make much of
        *(() if family == "smoke" else EQUAL_SLICES),
        "watch.pictures=3", "watch.table_steps=2",
    ) if kind != "pathwise" else smoke("loss.kind=pathwise", "watch.pictures=3")  # fmt: skip

    def work(rank: int, accelerator) -> None:
        torch.manual_seed(7 + rank)  # whatever a process drew before must not matter
        trainer = new_trainer(config, accelerator=accelerator)
        trainer.processes.check_equal(trainer.policy.parameters(), "at the start")
        log = [*steps_of(trainer), trainer.watch()]
        (tmp_path / f"rank{rank}.json").write_text(json.dumps(log))
        save_file(trainer.policy.snapshot(), str(tmp_path / f"rank{rank}.safetensors"))

    alone = new_trainer(config)
    start = alone.policy.snapshot()
    log = [*steps_of(alone), alone.watch()]
    in_two_processes(work)
    found = [load_file(tmp_path / f"rank{rank}.safetensors") for rank in (0, 1)]
    moved = 0.0
    for name, value in alone.policy.snapshot().items():
        torch.testing.assert_close(found[0][name], value, atol=within, rtol=0)
        assert torch.equal(found[0][name], found[1][name])
        moved = max(moved, float((value - start[name]).abs().max()))
    assert moved > 1e-3
    logs = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert logs[0] == logs[1]
    for one, two in zip(log, logs[0], strict=True):
        for name, value in one.items():
            if not name.startswith("time/") and name != "replay_drift_max":
                assert two[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name


def test_processes_that_differ_are_told_of(tmp_path: Path) -> None:
    def work(rank: int, accelerator) -> None:
        trainer = new_trainer(smoke("steps=4", "compare_every=2"), accelerator=accelerator)
        steps = trainer.train_step

        def stray() -> dict[str, float]:
            found = steps()
            if rank and trainer.step == 2:
                with torch.no_grad():
                    next(iter(trainer.policy.parameters().values())).add_(1e-7)
            return found

        trainer.train_step = stray
        with pytest.raises(EmoFeedbackError, match="2 processes have different weights after step"):
            trainer.fit()
        assert trainer.step == 2

    in_two_processes(work)


def test_a_run_killed_again_and_again_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    config = smoke("steps=5", "checkpoint_every=1", "optim.ema_decay=0.9")
    whole = new_trainer(config, tmp_path / "whole")
    whole.fit()
    folder = tmp_path / "killed"

    def go_on() -> None:
        trainer = new_trainer(config, folder)
        if run_state.whole_checkpoints(folder / "checkpoints"):
            trainer.resume()
        trainer.fit()

    kills = 0
    for delay in (0.0, 0.02, 0.05, 0.1, 60.0):
        before = run_state.whole_checkpoints(folder / "checkpoints")
        child = in_child(go_on)
        while run_state.whole_checkpoints(folder / "checkpoints") == before:
            if os.waitpid(child, os.WNOHANG)[0]:
                break
            time.sleep(0.005)
        else:
            time.sleep(min(delay, 0.1))
            if delay < 1:
                os.kill(child, signal.SIGKILL)
                kills += 1
            os.waitpid(child, 0)
    assert kills >= 2
    last = new_trainer(config, folder)
    last.resume()
    assert last.step == 5
    for name, value in whole.policy.snapshot().items():
        assert torch.equal(last.policy.snapshot()[name], value)
        assert torch.equal(last.average[name], whole.average[name])
