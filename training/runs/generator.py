"""Stage `generator`: what is loaded for it, and what is left in the folder at the end."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.control.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.errors import CheckpointError, ConfigError
from emofeedback.records.files import replacing, write_json

from ..settings.config import TrainConfig
from ..settings.files import config_hash

if TYPE_CHECKING:
    from ..families.base import Family
    from ..rl.policy import Policy
    from ..rl.trainer import Trainer

log = logging.getLogger(__name__)


def train_generator(config: TrainConfig, folder: Path | None, *, resume: bool) -> None:
    """Stage `generator`, from loading to the closing table."""
    from ..data.prompts import load_prompts, read_targets
    from ..families.choose import load_family
    from ..families.kept_words import FOLDER
    from ..rewards.models import build_rewards
    from ..rl.engine import new_accelerator
    from ..rl.policy import Policy
    from ..rl.processes import Processes
    from ..rl.trainer import Trainer
    from .curve import CURVE_FILE, save_curves

    torch.manual_seed(config.seed)  # for all that has no source of its own
    accelerator = new_accelerator()
    processes = Processes(accelerator)
    if config.model.full and accelerator.distributed_type.value == "DEEPSPEED":
        raise ConfigError(
            "model.train=full does not go with DeepSpeed, whose shares of the weights cannot be "
            "read back. Use training/engines/fsdp2.yaml."
        )
    if processes.first:
        log.info("processes: %d, on %s", processes.count, accelerator.device.type)
    prompts = load_prompts(config.data.prompts, config.data.evaluation)
    read_targets(config.data.targets)  # refused here rather than after minutes of loading
    family = load_family(config, device=accelerator.device)
    rewards = build_rewards(
        config.reward, gradient=config.loss.pathwise, functions=config.rewards,
        device=accelerator.device,
    )  # fmt: skip
    words = processes.word_of_first(str(folder / FOLDER) if folder is not None else "")
    policy = Policy(
        family, config.model, seed=config.seed, compared=config.loss.kl_coef > 0,
        kept=Path(words) if words else None,
    )  # fmt: skip
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
    with trainer.averaged():
        numbers = _closing_table(trainer)
        adapter = policy.whole_adapter()
        network = policy.network_state(kept=processes.first) if policy.full else None
        lora = None if policy.full else policy.lora_state()
    if not processes.first or folder is None:
        return
    files = write_checkpoint(policy, config, folder, numbers, adapter, lora)
    if network is not None:
        files["network"] = write_network(policy.family, folder, network)
    try:
        save_curves([folder], folder / CURVE_FILE)
    except ConfigError as error:  # a short run has measured too little
        log.info("No learning curve: %s", error)
    log.info("checkpoint: %s", ", ".join(str(path) for path in files.values()))


def _closing_table(trainer: Trainer) -> dict[str, float]:
    """Base against trained policy by the drawn world's judge; nothing of other families."""
    from ..evaluation.table import compare, markdown

    policy, config, folder = trainer.policy, trainer.config, trainer.folder
    if not config.watch.table_prompts or policy.family.name != "drawn":
        return {}
    # a network may be shared out, so every process paints
    found = compare(policy, config, trainer.prompts.measured)
    numbers = found.numbers()
    if folder is not None and trainer.processes.first:
        text = markdown(found)
        (folder / "table.md").write_text(text + "\n", encoding="utf-8")
        write_json(folder / "table.json", numbers)
        log.info("\n%s\n", text)
    return numbers


def write_checkpoint(
    policy: Policy,
    config: TrainConfig,
    folder: Path,
    numbers: dict[str, float],
    adapter: EmotionAdapter,
    lora: dict[str, Tensor] | None,
) -> dict[str, Path]:
    """The emotion checkpoint of a policy: its whole adapter and LoRA, or the name of its network's
    folder."""
    facts = EmotionFacts(
        base_family=policy.family.name,
        trained=f"training/train.py, {config.loss.kind}, {config.rollout.dynamics}",
        config_hash=config_hash(config),
        evaluation=numbers,
        network="" if lora is not None else network_folder(policy.family),
    )
    return save_checkpoint(
        folder, policy.family.name, adapter, facts, lora=lora, lora_scale=policy.lora_scale,
    )  # fmt: skip


def network_folder(family: Family) -> str:
    """Name of the folder of a network that was trained as a whole."""
    return f"{family.name}_{family.network}"


def write_network(family: Family, folder: Path, state: dict[str, Tensor]) -> Path:
    """A network that was trained as a whole, as a folder of diffusers; of SD3.5 and FLUX.1 its
    weights are a file that ComfyUI loads as a diffusion model, too.

    Args:
        state: from `Policy.network_state`.
    Raises: CheckpointError: the disk is full or not writable.
    """
    from safetensors.torch import save_file

    target = folder / network_folder(family)
    try:
        with replacing(target) as partial:
            partial.mkdir()
            family.transformer.save_config(partial)
            file = partial / "diffusion_pytorch_model.safetensors"
            save_file(state, str(file), metadata={"format": "pt"})
    except (OSError, RuntimeError) as error:  # safetensors wraps a full disk
        raise CheckpointError(
            f"The network {target} could not be written ({error}). The checkpoints are whole: make "
            "room and resume the run."
        ) from error
    return target
