"""Will a model fit? Told from file headers, before anything heavy is loaded."""

from __future__ import annotations

import logging
import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from emofeedback.errors import ConfigError
from emofeedback.records.weights import read_header

from ..settings.config import TrainConfig

log = logging.getLogger(__name__)
ROOM = 1.25
"""Activations of one small micro-batch, LoRA and its optimiser beside the network's weights."""
TRAINED_BYTES = 16
"""A trained number in float32: value, gradient, and two moments of AdamW ..."""
AVERAGE_BYTES = 4
"""... and in each average of it."""
NETWORK, DECODER, ENCODER = ("transformer", "unet"), "vae", "text_encoder"
_VARIANT = re.compile(r"\.\w+(-\d+-of-\d+)?\.safetensors$")
"""Name of a second copy in another precision, as model.fp16.safetensors."""


@dataclass(frozen=True)
class Spread:
    """The processes of a run, as the launcher has set them up."""

    here: int = 1
    """On this machine."""
    sharing: int = 1
    """That share one copy of the network's weights."""
    first: bool = True
    """Whether this process is the first on its machine."""

    @staticmethod
    def launched() -> Spread:
        """As torchrun and accelerate tell in the environment."""
        told = {name: int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE")}
        shared = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
        first = os.environ.get("LOCAL_RANK", "0") == "0"
        return Spread(told["LOCAL_WORLD_SIZE"], told["WORLD_SIZE"] if shared else 1, first)


def trained_bytes(config: TrainConfig) -> int:
    """Of a trained number, with its averages."""
    averages = int(config.optim.ema_decay > 0) + int(config.loss.forward)
    return TRAINED_BYTES + AVERAGE_BYTES * averages


def frozen_bytes(config: TrainConfig) -> int:
    """Of a weight of the network that is not trained: all, or those of the copy that KL wants."""
    size = getattr(torch, config.model.dtype).itemsize
    return int(size if not config.model.full or config.loss.kl_coef else 0)


def reward_dtype(device: torch.device | str) -> torch.dtype:
    """Of the reward models of the user's: half precision, but on a CPU, where it would be slow."""
    return torch.float32 if torch.device(device).type == "cpu" else torch.float16


def reward_bytes(config: TrainConfig, device: torch.device) -> int:
    """Of the CLIPs that the rewards of one process hold on its device."""
    told = config.reward
    used = ((told.clip_score, told.clip_path), (told.pick_score, told.pick_path))
    values = sum(parameters_of(Path(folder)) for weight, folder in used if weight)
    return reward_dtype(device).itemsize * values


def parameters_of(path: Path) -> int:
    """Number of values in a safetensors file, or in a folder of one network, by the headers."""
    return sum(
        math.prod(entry["shape"])
        for file in weight_files(path)
        for entry in read_header(file).tensors.values()
    )


def weight_files(path: Path) -> list[Path]:
    """The safetensors files that a network's folder is loaded from; of a file: itself."""
    found = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    return [file for file in found if not _VARIANT.search(file.name)] or found


def needed_bytes(parts: Mapping[str, Path], config: TrainConfig, spread: Spread) -> tuple[int, int]:
    """Predicted bytes on the device of one process, and in the main memory of one machine.

    Args:
        parts: of a diffusers pipeline: name and folder, or file.
    """
    counts = {name: parameters_of(path) for name, path in parts.items()}
    size = getattr(torch, config.model.dtype).itemsize
    network = sum(counts.pop(name, 0) for name in NETWORK)
    decoder = size * counts.pop(DECODER, 0)
    held = frozen_bytes(config) + (trained_bytes(config) if config.model.full else 0)
    on_host = size * sum(counts.values())
    if spread.sharing > 1:  # read by every process, and shared out from there
        on_host += max(size, 4 if config.model.full else 0) * network
    return round(ROOM * (held * network / spread.sharing + decoder)), spread.here * on_host


def check_memory(
    parts: Mapping[str, Path], config: TrainConfig, device: torch.device, spread: Spread
) -> None:
    """Told by the first process of a machine, for all that run there.

    Raises: ConfigError: the model cannot fit; says how much is needed and there.
    """
    if not spread.first:
        return
    on_device, on_host = needed_bytes(parts, config, spread)
    on_device += reward_bytes(config, device)
    size = getattr(torch, config.model.dtype).itemsize
    encoders = sum(parameters_of(parts[name]) for name in parts if name.startswith(ENCODER))
    encoders *= size * spread.here
    free_host = free_memory()
    if device.type == "cpu":
        on_host, on_device = on_host + spread.here * on_device, 0
    ways = "model.dtype=bfloat16, " + ("model.train=lora, " if config.model.full else "")
    if config.model.full and config.loss.kl_coef:
        ways += "loss.kl_coef=0 (KL wants a frozen copy of the network), "
    free_device = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
    for name, needed, free in (("GPU", on_device, free_device), ("main", on_host, free_host)):
        if needed > free:
            raise ConfigError(
                f"The model needs about {needed / 2**30:.1f} GiB of {name} memory, and "
                f"{free / 2**30:.1f} GiB are free. Use a smaller model, {ways}more processes that "
                "share it (training/engines/fsdp2.yaml), or a larger machine."
            )
    log.info(
        "memory: about %.1f GiB of the GPU's and %.1f GiB of the machine's, %.1f GiB of that for "
        "text encoders until all prompts are encoded",
        on_device / 2**30, on_host / 2**30, encoders / 2**30,
    )  # fmt: skip


def free_memory() -> int:
    """Bytes of main memory that nothing holds."""
    import psutil

    return int(psutil.virtual_memory().available)


def peak_memory() -> float:
    """Bytes that this process has held at most: on the GPU where there is one, else resident."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
