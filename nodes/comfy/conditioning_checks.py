"""What a CONDITIONING must be before anything is done with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...emofeedback.control.mixing import Entry
from ...emofeedback.errors import ConfigError
from ..widgets.names import ENCODE_ANCHORS, ENCODE_EMOTION


def checked_conditioning(conditioning: Any, name: str) -> list[Entry]:
    """The entries, each with an embedding of finite numbers.

    Raises: ConfigError: not connected, empty, without embedding, or holding NaN.
    """
    if not conditioning:
        raise ConfigError(
            f"The {name} conditioning is empty, so there is no prompt to work on. Connect "
            f"{ENCODE_ANCHORS}, {ENCODE_EMOTION} or CLIP Text Encode."
        )
    for context, _ in conditioning:
        if context is None:
            raise ConfigError(
                f"The {name} conditioning holds no text embedding. Connect a text encoder's."
            )
        check_finite(context, f"the {name} conditioning")
    return list(conditioning)


def check_finite(context: Tensor, what: str) -> None:
    """Raises: ConfigError: NaN or infinity in an embedding, which would turn pictures black."""
    if not bool(torch.isfinite(context).all()):
        raise ConfigError(
            f"In {what} the text encoder left numbers that are not finite (NaN or infinity). "
            "Run it in a wider precision, for example with --fp32-text-enc, or change the text."
        )
