"""The noise levels at which a model is sampled: those that its scheduler's config asks for.

Training on other levels than those of sampling teaches a model what nobody will use.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

ShiftRule = str
"""How a schedule shifts with the size of the picture: "none", "linear" or "empirical"."""


def own_sigmas(
    scheduler: Any, num_steps: int, *, tokens: int, rule: ShiftRule, spaced: bool
) -> Tensor:
    """Noise levels from 1 (or near it) to 0: [num_steps + 1] float32.

    Args:
        scheduler: of diffusers, for flow matching; is not changed.
        tokens: of one picture inside the transformer.
        rule: of the pipeline, for schedulers with dynamic shifting.
        spaced: whether the pipeline hands over even levels 1 .. 1 / n, in place of the
            scheduler's own ones.
    """
    made = copy.deepcopy(scheduler)
    config = made.config
    options: dict[str, Any] = {}
    if spaced and not config.get("use_flow_sigmas", False):
        options["sigmas"] = np.linspace(1.0, 1 / num_steps, num_steps)
    if config.get("use_dynamic_shifting", False):
        options["mu"] = shift_exponent(config, tokens, num_steps, rule)
    if "sigmas" in options:
        made.set_timesteps(**options)
    else:
        made.set_timesteps(num_steps, **options)
    return torch.as_tensor(made.sigmas, dtype=torch.float32).cpu()


def shift_exponent(config: Any, tokens: int, num_steps: int, rule: ShiftRule) -> float:
    """The exponent that a schedule shifts by for pictures of so many tokens.

    Source: "linear" as FLUX.1 (from base_shift to max_shift), "empirical" as FLUX.2, whose
    authors fitted it to tokens and steps.
    """
    if rule == "empirical":
        at_200 = 0.00016927 * tokens + 0.45666666
        if tokens > 4300:
            return float(at_200)
        at_10 = 8.73809524e-05 * tokens + 1.89833333
        slope = (at_200 - at_10) / 190
        return float(at_200 + slope * (num_steps - 200))
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    base, top = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    return float(base + (top - base) / (high - low) * (tokens - low))
