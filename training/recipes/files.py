"""What recipes leave behind: weights in half precision, pictures as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from emofeedback.records.files import replacing


def export(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> Path:
    """Write finished weights in half precision with string metadata, in one step."""
    from safetensors.torch import save_file

    # tied or viewed tensors share storage, which the format refuses
    halves = {
        name: (value.half() if value.is_floating_point() else value)
        .detach()
        .to("cpu", copy=True)
        .contiguous()
        for name, value in tensors.items()
    }
    with replacing(path, durable=True) as partial:
        save_file(halves, str(partial), metadata=dict(facts))
    return path


def to_uint8(images: Tensor) -> Tensor:
    """Pictures [B, H, W, 3] in 0..1 as bytes."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)
