"""Several processes equal one, and a run that is killed at any moment goes on as if it were not."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from training.data.prompts import drawn_prompts
from training.families.smoke import SmokeFamily
from training.rewards.models import build_rewards
from training.rl.policy import Policy
from training.rl.trainer import Trainer
from training.runs import run_state
from training.settings.config import TrainConfig
from training.settings.files import load_config, preset_path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def smoke(*overrides: str) -> TrainConfig:
    plain = ["tensorboard=false", "sheet_every=0", "rollout.group_size=4", *overrides]
    return load_config(preset_path("smoke"), plain)


def new_trainer(config: TrainConfig, folder: Path | None = None, accelerator=None) -> Trainer:
    policy = Policy(SmokeFamily(), config.model)
    rewards = build_rewards(config.reward, gradient=config.loss.pathwise)
    return Trainer(config, policy, rewards, drawn_prompts(), folder=folder, accelerator=accelerator)


def in_child(work) -> int:
    """Run `work` in a forked process that never returns here; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001  told by the exit status
        os._exit(1)
    os._exit(0)


def shared_run(rank: int, port: int, folder: Path, config: TrainConfig) -> None:
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
    trainer = new_trainer(config, accelerator=accelerator)
    for _ in range(3):
        trainer.train_step()
    save_file(trainer.policy.snapshot(), str(folder / f"rank{rank}.safetensors"))


@pytest.mark.parametrize(
    ("kind", "updates", "within"),
    # one weight of nft's rounds otherwise: by 2e-6 to 4e-6, with ATEN_CPU_CAPABILITY
    [("clip", 2, 1e-6), ("nft", 2, 1e-5), ("pathwise", 1, 1e-6)],
)
def test_two_processes_equal_one(tmp_path: Path, kind: str, updates: int, within: float) -> None:
    config = smoke(f"loss.kind={kind}", "loss.kl_coef=0.01", f"optim.updates={updates}")
    alone = new_trainer(config)
    for _ in range(3):
        alone.train_step()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = [in_child(lambda r=r: shared_run(r, port, tmp_path, config)) for r in (0, 1)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    found = [load_file(tmp_path / f"rank{rank}.safetensors") for rank in (0, 1)]
    start = new_trainer(config).policy.snapshot()
    moved = 0.0
    for name, value in alone.policy.snapshot().items():
        torch.testing.assert_close(found[0][name], value, atol=within, rtol=0)
        assert torch.equal(found[0][name], found[1][name])
        moved = max(moved, float((value - start[name]).abs().max()))
    assert moved > 1e-3


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
