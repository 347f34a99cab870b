"""Asking a scorer about pictures of which some cannot be read: each gets a reading, or a reason."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import ScorerAnswerError
from ..records.reading import Outcome, Reading, Unread


def read_each(ask: Callable[[Tensor], list[Reading]], images: Tensor) -> list[Outcome]:
    """One outcome a picture; pictures are asked about one by one only where a batch fails.

    Args:
        ask: a scorer's way of reading a batch.
        images: [B, H, W, 3] float in 0..1.
    Raises: ScorerError: the scorer cannot be asked, whatever the picture. ImageError.
    """
    try:
        return list(ask(images))
    except ScorerAnswerError as error:
        if len(images) == 1:
            return [Unread(why=str(error))]
    return [outcome for image in torch.split(images, 1) for outcome in read_each(ask, image)]
