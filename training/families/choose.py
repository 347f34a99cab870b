"""Which family a model path is, told by its header or its model_index.json, and its loading."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.control.checkpoint import load_adapter, read_facts
from emofeedback.errors import CheckpointError, ConfigError
from emofeedback.records.weights import read_header

from ..runs.memory import Spread, check_memory
from ..settings.config import TrainConfig
from .base import Family

log = logging.getLogger(__name__)
MARKS = {"joint_blocks.": "sd3.5", "double_blocks.": "flux"}
"""Parts of key names by which a single file is recognised."""


def load_family(config: TrainConfig, *, device: torch.device) -> Family:
    """Load what the config names.

    Raises: ConfigError: no GPU where the config needs one, no components, too little memory.
        CheckpointError: an unknown, foreign or damaged model.
    """
    model = config.model
    if model.needs_gpu and device.type == "cpu":
        raise ConfigError(
            "This preset is made for a GPU, and torch sees none. Use --preset tiny on a CPU, or "
            "set model.needs_gpu=false and expect hours a step."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # a new adapter is drawn, the same in every process
        family = _load(config, device)
    if config.stage == "generator" and config.loss.kind not in family.losses:
        raise ConfigError(
            f"loss.kind={config.loss.kind} does not fit the family {family.name!r}, which takes "
            f"{', '.join(family.losses)}. Set loss.kind={family.losses[0]}."
        )
    family.source = model.path
    family.adapter = _start_adapter(family, model.adapter, config.seed).to(device)
    result: Family = family
    return result


def _load(config: TrainConfig, device: torch.device) -> Any:
    model = config.model
    if model.path == "smoke":
        from .smoke import SmokeFamily

        made = SmokeFamily(seed=config.seed)
        made.transformer.to(device)
        return made
    if not model.path:
        from .embedded import EmbeddedFamily

        embedded = EmbeddedFamily(size=model.size)
        embedded.transformer.to(device)
        return embedded
    from .pipelines import is_network, load_folder, load_single, parts_of

    path, spread = Path(model.path), Spread.launched()
    settings = {
        "size": model.size, "text_tokens": model.text_tokens,
        "dtype": getattr(torch, model.dtype), "device": device,
        # shared out from main memory, a block at a time
        "place": torch.device("cpu") if spread.sharing > 1 else device,
    }  # fmt: skip
    alone = path.is_dir() and is_network(path)
    if path.is_dir() and not alone:
        check_memory(parts_of(path), config, device, spread)
        return load_folder(path, **settings)
    family = "" if alone else family_of_file(path)
    if not model.components:
        raise ConfigError(
            f"{path} is a {family} transformer alone; its text encoders, tokenizers, autoencoder "
            "and configs are missing. Give a diffusers folder that has them: --components DIR."
        )
    components = Path(model.components)
    parts = parts_of(components) | {"transformer": path}
    parts.pop("unet", None)
    check_memory(parts, config, device, spread)
    return load_single(path, components, family=family, **settings)


def family_of_file(path: Path) -> str:
    """The family of a single safetensors file by the names in its header.

    Raises: CheckpointError: missing, damaged, or of no known family.
    """
    keys = read_header(path).tensors
    for mark, family in MARKS.items():
        if any(mark in key for key in keys):
            return family
    example = next(iter(sorted(keys)), "no tensors")
    raise CheckpointError(
        f"{path} is of no family that training knows by a single file (sd3.5, flux); it holds "
        f"{example!r}, for example. Give a diffusers folder, or a ComfyUI diffusion-model file."
    )


def _start_adapter(family: Any, path: str, seed: int) -> Any:
    """The adapter that a run starts from.

    Raises: CheckpointError: the checkpoint belongs to another family, or has other widths.
    """
    if path == "fresh":
        log.info("a fresh emotion adapter, drawn by seed %d, last layer zero", seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return EmotionAdapter(**family.adapter.widths())
    if not path:
        return family.adapter
    facts, adapter = read_facts(Path(path)), load_adapter(Path(path))
    if facts.base_family != family.name:
        raise CheckpointError(
            f"{path} was trained on the family {facts.base_family!r}; this model is "
            f"{family.name!r}. Give an emotion checkpoint of this family, or none."
        )
    if facts.outdated:
        raise CheckpointError(f"{path} {facts.outdated}")
    wanted = (family.adapter.context_width, family.adapter.pooled_width)
    if (adapter.context_width, adapter.pooled_width) != wanted:
        raise CheckpointError(
            f"{path} is made for text embeddings of width {adapter.context_width} and "
            f"{adapter.pooled_width}; this model has {wanted[0]} and {wanted[1]}."
        )
    return adapter.train().requires_grad_(True)
