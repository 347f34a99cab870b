"""One call of train.py: settings, run folder, stage, and what an ending leaves there."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from emofeedback.errors import CheckpointError, ConfigError

from ..settings.config import TrainConfig
from ..settings.files import (
    CONFIG_FILE,
    config_yaml,
    differences,
    load_config,
    preset_path,
)
from .folder import forget, has_work, latest_run, write_beginning

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "runs" / "rl"
CHANGEABLE = ("steps", "minutes", "tensorboard", "sheet_every", "checkpoint_every",
              "keep_checkpoints", "compare_every", "threads", "wandb", "peak_tflops")  # fmt: skip
"""Settings that a resumed run may change."""
SHARED = ("generator", "scorer", "refiner")
"""Stages that several processes share."""
OF_RECIPES = ("stage", "seed", "minutes", "threads")
"""Settings that a stage `embedded-ROLE` takes."""


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
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and config.stage not in SHARED:
        raise ConfigError(
            f"Stage {config.stage} runs in one process, not in {processes}: leave out accelerate "
            f"launch. Several processes share {', '.join(SHARED)}."
        )
    if config.stage.startswith("embedded-"):
        return train_embedded(config, options)
    # of several processes only the first keeps files
    first = os.environ.get("RANK", "0") == "0"
    there = options.run is not None and options.run.exists()
    folder = resumed or (new_folder(options, config) if first else None)
    if folder is not None and first:
        write_beginning(folder)
        log.info("%s\nrun folder: %s", config_yaml(config), folder)
    try:
        carry_out(config, folder, resume=resumed is not None)
    except BaseException:
        if folder is not None and first:
            if has_work(folder):
                log.error("Go on with: python training/train.py --resume %s", folder)
            else:
                forget(folder, whole=not there)
        raise
    return 0


def carry_out(config: TrainConfig, folder: Path | None, *, resume: bool) -> None:
    """The stage that the settings name.

    Args:
        folder: None in all processes but the first.
    """
    if config.stage == "generator":
        from .generator import train_generator

        train_generator(config, folder, resume=resume)
    elif config.stage == "refiner":
        from ..scorer.refiner import train_refiner

        train_refiner(config, folder)
    elif config.stage == "scorer":
        from ..scorer.grpo import train_scorer

        train_scorer(config, folder)
    elif folder is None:
        raise ConfigError(f"Stage {config.stage} keeps files in its first process alone.")
    elif config.stage == "chain":
        from .chain import run_chain

        run_chain(config, folder)
    else:
        from ..rl.adapter_start import train_adapter

        train_adapter(config, folder)


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
    named = Path(options.resume) if options.resume not in (None, "latest") else None
    if named and options.run and named.resolve() != options.run.resolve():
        raise ConfigError(
            f"--resume names {named}, and --run {options.run}: a run goes on in its own folder. "
            "Leave out --run."
        )
    found = named or options.run or latest_run(RUNS)
    if not (found / CONFIG_FILE).is_file():
        raise CheckpointError(f"There is no run to resume in {found} (no {CONFIG_FILE} there).")
    return found


def new_folder(options: TrainCommand, config: TrainConfig) -> Path:
    """Make the run's folder and store the settings.

    Raises: ConfigError: the folder holds a run already, or cannot be written.
    """
    name = "custom" if options.config else (options.preset or "tiny")
    folder = options.run or RUNS / f"{time.strftime('%Y%m%d-%H%M%S')}-{config.stage}-{name}"
    if (folder / CONFIG_FILE).is_file() and has_work(folder):
        changed = differences(load_config(folder / CONFIG_FILE), config)
        other = f" of other settings ({', '.join(changed)})" if changed else ""
        raise ConfigError(
            f"{folder} holds a run{other}. Go on with it by --resume {folder}, or name another "
            "folder with --run."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(config_yaml(config), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The run's folder {folder} cannot be made or written ({error}). Name another one with "
            "--run."
        ) from error
    return folder


def train_embedded(config: TrainConfig, options: TrainCommand) -> int:
    """Stages `embedded-ROLE`: the recipes of `python -m training.world train ROLE`.

    Raises: ConfigError: a setting that the recipe does not take.
    """
    from ..recipes.train import train_role
    from .run import RunOptions

    role = config.stage.removeprefix("embedded-")
    named = (each.partition("=")[0] for each in options.overrides)
    ignored = [name for name in named if name not in OF_RECIPES]
    if ignored:
        raise ConfigError(
            f"Stage {config.stage} is a recipe with settings of its own, which does not take "
            f"{', '.join(ignored)}; it takes {', '.join(OF_RECIPES)}. More options has "
            f"`python -m training.world train {role}`."
        )
    train_role(
        role, seed=config.seed, minutes=config.minutes or None, run_dir=options.run,
        threads=config.threads or RunOptions.threads,
    )  # fmt: skip
    return 0
