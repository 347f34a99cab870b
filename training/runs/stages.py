"""One call of train.py: settings, run folder, stage, and what is left in the folder at the end."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from emofeedback.control.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.errors import CheckpointError, ConfigError

from ..settings.config import TrainConfig
from ..settings.files import (
    CONFIG_FILE,
    config_hash,
    config_yaml,
    differences,
    load_config,
    preset_path,
)

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "runs" / "rl"
CHANGEABLE = ("steps", "minutes", "tensorboard", "sheet_every", "checkpoint_every",
              "keep_checkpoints", "compare_every", "threads")  # fmt: skip
"""Settings that a resumed run may change."""


@dataclass(frozen=True, kw_only=True)
class TrainCommand:
    """One call of train.py."""

    preset: str | None = None
    """A file of training/presets by name."""
    config: Path | None = None
    """A YAML file in its place."""
    model: str | None = None
    components: str | None = None
    run: Path | None = None
    """Folder of the run; None: a new one."""
    resume: str | None = None
    """"latest", or the folder of a run to go on with."""
    print_config: bool = False
    overrides: Sequence[str] = ()


def run(options: TrainCommand) -> int:
    """Carry out what the command line asks; returns the exit code.

    Raises: EmoFeedbackError: something that the user can change.
    """
    resumed = find_run(options) if options.resume else None
    config = read_config(options, resumed)
    if options.print_config:
        sys.stdout.write(config_yaml(config))  # so that `> my.yaml` keeps it
        return 0
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.stage.startswith("embedded-"):
        return train_embedded(config, options)
    # of several processes only the first keeps files
    first = os.environ.get("RANK", "0") == "0"
    folder = resumed or (new_folder(options, config) if first else None)
    if first:
        log.info("%s\nrun folder: %s", config_yaml(config), folder)
    if config.stage == "generator":
        train_generator(config, folder, resume=resumed is not None)
        return 0
    if folder is None:
        raise ConfigError(f"Stage {config.stage} runs in one process; leave out accelerate launch.")
    if config.stage == "adapter":
        from ..rl.adapter_start import train_adapter

        train_adapter(config, folder)
    elif config.stage == "refiner":
        from ..scorer.refiner import train_refiner

        train_refiner(config, folder)
    else:
        from ..scorer.grpo import train_scorer

        train_scorer(config, folder)
    return 0


def read_config(options: TrainCommand, resumed: Path | None) -> TrainConfig:
    """Settings of the command line; those of a resumed run may change in budgets only.

    Raises: ConfigError
    """
    overrides = list(options.overrides)
    for name, value in (("path", options.model), ("components", options.components)):
        if value:
            overrides.append(f"model.{name}={value}")
    named = options.config or (preset_path(options.preset) if options.preset else None)
    if resumed is None:
        return load_config(named or preset_path("tiny"), overrides)
    stored = load_config(resumed / CONFIG_FILE)
    asked = load_config(named or resumed / CONFIG_FILE, overrides)
    changed = [key for key in differences(stored, asked) if key not in CHANGEABLE]
    if changed:
        raise ConfigError(
            f"The run in {resumed} has other settings for {', '.join(changed)}. A resumed run may "
            f"change {', '.join(CHANGEABLE)} only; start a new one for others."
        )
    return asked


def find_run(options: TrainCommand) -> Path:
    """The run that --resume means.

    Raises: CheckpointError: there is none.
    """
    if options.resume and options.resume != "latest":
        found = Path(options.resume)
    elif options.run is not None:
        found = options.run
    else:
        runs = sorted(RUNS.glob(f"*/{CONFIG_FILE}"), key=lambda path: path.stat().st_mtime)
        found = runs[-1].parent if runs else RUNS
    if not (found / CONFIG_FILE).is_file():
        raise CheckpointError(f"There is no run to resume in {found} (no {CONFIG_FILE} there).")
    return found


def new_folder(options: TrainCommand, config: TrainConfig) -> Path:
    """Make the run's folder and store the settings.

    Raises: ConfigError: the folder holds a run already.
    """
    name = "custom" if options.config else (options.preset or "tiny")
    folder = options.run or RUNS / f"{time.strftime('%Y%m%d-%H%M%S')}-{config.stage}-{name}"
    if (folder / CONFIG_FILE).is_file():
        changed = differences(load_config(folder / CONFIG_FILE), config)
        other = f" of other settings ({', '.join(changed)})" if changed else ""
        raise ConfigError(
            f"{folder} holds a run{other}. Go on with it by --resume {folder}, or name another "
            "folder with --run."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(config_yaml(config), encoding="utf-8")
    return folder


def train_generator(config: TrainConfig, folder: Path | None, *, resume: bool) -> None:
    """Stage `generator`, from loading to the closing table."""
    from accelerate import Accelerator

    from ..data.prompts import load_prompts, read_targets
    from ..evaluation.table import compare, markdown
    from ..families.choose import load_family
    from ..rewards.models import build_rewards
    from ..rl.policy import Policy
    from ..rl.processes import Processes
    from ..rl.trainer import Trainer
    from .curve import CURVE_FILE, save_curves

    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    processes = Processes(accelerator)
    if processes.first:
        log.info("processes: %d, on %s", processes.count, accelerator.device.type)
    prompts = load_prompts(config.data.prompts)
    read_targets(config.data.targets)  # refused here rather than after minutes of loading
    family = load_family(config, device=accelerator.device)
    rewards = build_rewards(config.reward, gradient=config.loss.pathwise)
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
    if not processes.first or folder is None:
        return
    try:
        save_curves([folder], folder / CURVE_FILE)
    except ConfigError as error:  # a short run has measured too little
        log.info("No learning curve: %s", error)
    numbers: dict[str, float] = {}
    with trainer.averaged():
        if config.watch.table_prompts and family.name == "drawn":
            found = compare(policy, config, prompts.held_out[: config.watch.table_prompts])
            numbers = found.numbers()
            text = markdown(found)
            (folder / "table.md").write_text(text + "\n", encoding="utf-8")
            (folder / "table.json").write_text(json.dumps(numbers, indent=1), encoding="utf-8")
            log.info("\n%s\n", text)
        files = write_checkpoint(policy, config, folder, numbers)
    log.info("checkpoint: %s", ", ".join(str(path) for path in files.values()))


def write_checkpoint(
    policy: Any, config: TrainConfig, folder: Path, numbers: dict[str, float]
) -> dict[str, Path]:
    """The emotion checkpoint of a policy as it stands: adapter and LoRA."""
    facts = EmotionFacts(
        base_family=policy.family.name,
        trained=f"training/train.py, {config.loss.kind}, {config.rollout.dynamics}",
        config_hash=config_hash(config),
        evaluation=numbers,
    )
    return save_checkpoint(
        folder, policy.family.name, policy.adapter, facts,
        lora=policy.lora_state(), lora_scale=policy.lora_scale,
    )  # fmt: skip


def train_embedded(config: TrainConfig, options: TrainCommand) -> int:
    """Stages `embedded-ROLE`: the recipes of `python -m training.world train ROLE`."""
    from ..recipes.train import train_role

    role = config.stage.removeprefix("embedded-")
    train_role(role, seed=config.seed, minutes=config.minutes or None, run_dir=options.run)
    return 0
