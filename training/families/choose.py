"""Which family a model path is, told by its header or its model_index.json."""

from __future__ import annotations

from typing import Any

import torch

from emofeedback.errors import ConfigError

from ..config import TrainConfig
from .base import Family


def load_family(config: TrainConfig, *, device: torch.device) -> Family:
    """Load what the config names.

    Raises: ConfigError: no GPU where the config needs one, or an unknown model.
    """
    if config.model.needs_gpu and not torch.cuda.is_available():
        raise ConfigError(
            "This preset is made for a GPU, and torch sees none. Use --preset tiny on a CPU, or "
            "set model.needs_gpu=false and expect hours a step."
        )
    if not config.model.path:
        from .embedded import EmbeddedFamily

        family: Any = EmbeddedFamily(size=config.model.size)
        family.transformer.to(device)
        family.adapter.to(device)
        return family
    raise ConfigError(f"model.path is {config.model.path!r}: unknown family.")
