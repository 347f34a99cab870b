"""Several processes equal one, and a run that is killed at any moment goes on as if it were not."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from process_groups import in_child, in_processes
from safetensors.torch import load_file, save_file
from tiny_pipelines import PIPELINES
from torch.distributed.tensor import DTensor

from emofeedback.errors import ConfigError, EmoFeedbackError
from training.data.prompts import drawn_prompts
from training.families.choose import load_family
from training.families.pipelines import load_folder
from training.rewards.models import build_rewards
from training.rl.ahead import encode_ahead
from training.rl.engine import new_accelerator, whole
from training.rl.policy import Policy
from training.rl.processes import Processes
from training.rl.trainer import Trainer
from training.runs import run_state
from training.settings.config import ModelConfig, TrainConfig
from training.settings.files import load_config, preset_path

EQUAL_SLICES = (
    "rollout.micro_batch=4", "optim.micro_batch=4", "model.size=16", "optim.learning_rate=0.001",
)  # fmt: skip
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


def an_accelerator(count: int, engine: str):
    accelerator = new_accelerator()
    assert accelerator.num_processes == count
    if engine == "fsdp":
        force_fsdp(accelerator)
    return accelerator


def force_fsdp(accelerator) -> None:
    """FSDP2 as with fsdp.yaml on GPUs; accelerate itself takes it on none but those."""
    from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", cpu_ram_efficient_loading=False
    )
    accelerator.state.__dict__ |= {
        "distributed_type": DistributedType.FSDP, "fsdp_plugin": plugin,
    }  # fmt: skip
    assert accelerator.is_fsdp2


def with_accelerators(work, count: int = 2, engine: str = "ddp") -> None:
    """Run `work(rank, accelerator)` in processes of one gloo group."""
    in_processes(lambda rank: work(rank, an_accelerator(count, engine)), count)


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
    ("family", "kind", "updates", "within", "count", "engine", "train"),
    # one weight of nft's rounds otherwise: by 2e-6 to 4e-6, with ATEN_CPU_CAPABILITY
    [
        ("smoke", "nft", 2, 1e-5, 3, "ddp", "lora"), ("smoke", "awm", 2, 1e-5, 2, "fsdp", "lora"),
        ("smoke", "pathwise", 1, 1e-6, 2, "ddp", "lora"),
        ("smoke", "pathwise", 1, 1e-6, 3, "fsdp", "lora"),
        ("sd3.5", "clip", 2, 1e-5, 2, "ddp", "lora"), ("sd3.5", "clip", 2, 1e-5, 2, "fsdp", "lora"),
        ("flux", "clip", 2, 1e-5, 2, "fsdp", "lora"),
        ("sd3.5", "clip", 2, 1e-5, 2, "ddp", "full"), ("flux", "clip", 2, 1e-5, 2, "fsdp", "full"),
    ],
)  # fmt: skip
def test_several_processes_equal_one(
    tmp_path: Path, folders: dict[str, Path], family: str, kind: str, updates: int, within: float,
    count: int, engine: str, train: str,
) -> None:  # fmt: skip
    config = smoke(
        f"loss.kind={kind}", "loss.kl_coef=0.01", f"optim.updates={updates}",
        f"model.path={folders.get(family, family)}", "reward.normalise=group",
        # equal slices have equal roundings, which Adam's tiny gradients would make much of
        *(() if family == "smoke" else EQUAL_SLICES),
        "watch.pictures=3", "watch.table_steps=2", f"model.train={train}",
    ) if kind != "pathwise" else smoke("loss.kind=pathwise", "watch.pictures=3")  # fmt: skip

    def work(rank: int, accelerator) -> None:
        torch.manual_seed(7 + rank)  # whatever a process drew before must not matter
        trainer = new_trainer(config, accelerator=accelerator)
        shared_out = [isinstance(v, DTensor) for v in trainer.policy.engine.network.parameters()]
        assert all(shared_out) if engine == "fsdp" else not any(shared_out)
        log = [*steps_of(trainer), trainer.watch()]
        (tmp_path / f"rank{rank}.json").write_text(json.dumps(log))
        save_file(whole(trainer.policy.snapshot()), str(tmp_path / f"rank{rank}.safetensors"))

    alone = new_trainer(config)
    start = alone.policy.snapshot()
    log = [*steps_of(alone), alone.watch()]
    with_accelerators(work, count, engine)
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
            if not name.startswith(("time/", "pictures_per_s", "memory", "replay_drift")):
                assert two[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name


def test_a_run_goes_on_with_another_engine_and_number_of_processes(tmp_path: Path) -> None:
    config = smoke("steps=1", "optim.ema_decay=0.9")
    alone = new_trainer(config)
    for _ in range(3):
        alone.train_step()

    def one_step(engine: str):
        def work(rank: int, accelerator) -> None:
            trainer = new_trainer(config, tmp_path, accelerator)
            if engine == "ddp":
                trainer.resume()
            trainer.train_step()
            trainer.save()

        return work

    with_accelerators(one_step("fsdp"), 2, "fsdp")
    with_accelerators(one_step("ddp"), 3, "ddp")
    last = new_trainer(config, tmp_path)
    last.resume()
    assert last.step == 2
    last.train_step()
    for name, value in alone.policy.snapshot().items():
        torch.testing.assert_close(last.policy.snapshot()[name], value, atol=1e-5, rtol=0)
        torch.testing.assert_close(last.average[name], alone.average[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ACCELERATE_USE_FSDP", "true", "asks for FSDP, but on cpu"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "(?i)deepspeed"),
        ("ACCELERATE_MIXED_PRECISION", "bf16", "'bf16'.*model.dtype=bfloat16"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true", "model.gradient_checkpointing=true"),
    ],
)
def test_what_accelerate_would_ignore_is_refused(variable: str, value: str, says: str) -> None:
    def work() -> None:
        os.environ |= {"FSDP_VERSION": "2", variable: value}
        with pytest.raises(ConfigError, match=says):
            new_accelerator()

    assert os.waitpid(in_child(work), 0)[1] == 0


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

    with_accelerators(work)


def test_processes_share_the_encoding_of_prompts(tmp_path: Path, folders: dict[str, Path]) -> None:
    prompts = [f"a boat {number}" for number in range(5)]

    def work(rank: int, accelerator) -> None:
        family = load_folder(folders["sd3.5"], size=16, dtype=torch.float32, device="cpu")
        asked, encode = [], family.encode
        family.encode = lambda texts: (asked.extend(texts), encode(texts))[1]
        policy = Policy(family, ModelConfig(lora_rank=2), kept=tmp_path / "prompts")
        encode_ahead(policy, prompts, Processes(accelerator))
        assert asked == prompts[rank::2] and all(policy.keeps(prompt) for prompt in prompts)
        assert family.pipeline.text_encoder is None

    with_accelerators(work)


@pytest.mark.parametrize("train", ["lora", "full"])
def test_a_run_killed_again_and_again_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, train: str
) -> None:
    config = smoke("steps=5", "checkpoint_every=1", "optim.ema_decay=0.9", f"model.train={train}")
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
