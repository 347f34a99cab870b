"""Will a model fit? Told from file headers, before anything heavy is loaded."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from emofeedback.errors import ConfigError
from emofeedback.records.weights import read_header

ROOM = 1.25
"""Activations of one small micro-batch, LoRA and optimiser beside the frozen weights."""
ON_DEVICE = ("transformer", "unet", "vae")
_VARIANT = re.compile(r"\.\w+(-\d+-of-\d+)?\.safetensors$")
"""Name of a second copy in another precision, as model.fp16.safetensors."""


def parameters_of(path: Path) -> int:
    """Number of values in a safetensors file, or in a folder of one network, by the headers."""
    found = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    files = [file for file in found if not _VARIANT.search(file.name)] or found
    return sum(
        math.prod(entry["shape"]) for file in files for entry in read_header(file).tensors.values()
    )


def needed_bytes(parts: Mapping[str, Path], dtype: torch.dtype) -> tuple[int, int]:
    """Predicted bytes on the device and on the host.

    Args:
        parts: of a diffusers pipeline: name and folder, or file.
    """
    counts = {name: parameters_of(path) for name, path in parts.items()}
    on_device = sum(count for name, count in counts.items() if name in ON_DEVICE)
    size = dtype.itemsize
    return round(ROOM * size * on_device), size * (sum(counts.values()) - on_device)


def check_memory(parts: Mapping[str, Path], *, dtype: torch.dtype, device: torch.device) -> None:
    """Raises: ConfigError: the model cannot fit; says how much is needed and there."""
    on_device, on_host = needed_bytes(parts, dtype)
    free_host = free_memory()
    if device.type == "cpu":
        on_host, on_device = on_host + on_device, 0
    free_device = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
    for name, needed, free in (("GPU", on_device, free_device), ("main", on_host, free_host)):
        if needed > free:
            raise ConfigError(
                f"The model needs about {needed / 2**30:.1f} GiB of {name} memory, and "
                f"{free / 2**30:.1f} GiB are free. Use a smaller model, model.dtype=bfloat16, or "
                "a larger machine."
            )


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
