"""Stage `generator`: what is loaded for it, and what is left in the folder at the end."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.control.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.errors import ConfigError
from emofeedback.records.files import write_json

from ..settings.config import TrainConfig
from ..settings.files import config_hash

if TYPE_CHECKING:
    from ..rl.policy import Policy

log = logging.getLogger(__name__)


def train_generator(config: TrainConfig, folder: Path | None, *, resume: bool) -> None:
    """Stage `generator`, from loading to the closing table."""
    from ..data.prompts import load_prompts, read_targets
    from ..evaluation.table import compare, markdown
    from ..families.choose import load_family
    from ..rewards.models import build_rewards
    from ..rl.engine import new_accelerator
    from ..rl.policy import Policy
    from ..rl.processes import Processes
    from ..rl.trainer import Trainer
    from .curve import CURVE_FILE, save_curves

    torch.manual_seed(config.seed)  # for all that has no source of its own
    accelerator = new_accelerator()
    processes = Processes(accelerator)
    if processes.first:
        log.info("processes: %d, on %s", processes.count, accelerator.device.type)
    prompts = load_prompts(config.data.prompts)
    read_targets(config.data.targets)  # refused here rather than after minutes of loading
    family = load_family(config, device=accelerator.device)
    rewards = build_rewards(config.reward, gradient=config.loss.pathwise, functions=config.rewards)
    policy = Policy(family, config.model, seed=config.seed)
    trainer = Trainer(
        config, policy, rewards, prompts, folder=folder,
        processes=processes,
    )  # fmt: skip
    if resume:
        trainer.resume()
    try:
        trainer.fit()
    finally:
        rewards.close()
    numbers: dict[str, float] = {}
    with trainer.averaged():
        if config.watch.table_prompts and family.name == "drawn":
            # a network may be shared out, so every process paints
            found = compare(policy, config, prompts.held_out[: config.watch.table_prompts])
            numbers = found.numbers()
            if folder is not None and processes.first:
                text = markdown(found)
                (folder / "table.md").write_text(text + "\n", encoding="utf-8")
                write_json(folder / "table.json", numbers)
                log.info("\n%s\n", text)
        adapter, lora = policy.whole_adapter(), policy.lora_state()
    if not processes.first or folder is None:
        return
    files = write_checkpoint(policy, config, folder, numbers, adapter, lora)
    try:
        save_curves([folder], folder / CURVE_FILE)
    except ConfigError as error:  # a short run has measured too little
        log.info("No learning curve: %s", error)
    log.info("checkpoint: %s", ", ".join(str(path) for path in files.values()))


def write_checkpoint(
    policy: Policy,
    config: TrainConfig,
    folder: Path,
    numbers: dict[str, float],
    adapter: EmotionAdapter,
    lora: dict[str, Tensor],
) -> dict[str, Path]:
    """The emotion checkpoint of a policy: its whole adapter and LoRA."""
    facts = EmotionFacts(
        base_family=policy.family.name,
        trained=f"training/train.py, {config.loss.kind}, {config.rollout.dynamics}",
        config_hash=config_hash(config),
        evaluation=numbers,
    )
    return save_checkpoint(
        folder, policy.family.name, adapter, facts, lora=lora, lora_scale=policy.lora_scale,
    )  # fmt: skip
