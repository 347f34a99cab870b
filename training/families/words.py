"""Embeddings of prompts side by side: texts of different length are padded, and masked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from .base import Words


def stacked(rows: Sequence[Words]) -> Words:
    """One batch of embeddings whose contexts may differ in length.

    Args:
        rows: each (context [B, T, C], pooled [B, P]) and, where the family has one, a mask [B, T];
            without a mask all lengths must be equal.
    Returns: contexts padded with zeros to the longest, masks with False.
    """
    longest = max(row[0].shape[1] for row in rows)
    contexts = torch.cat([pad(row[0], (0, 0, 0, longest - row[0].shape[1])) for row in rows])
    pooled = torch.cat([row[1] for row in rows])
    masks = [pad(row[2], (0, longest - row[2].shape[1])) for row in rows if len(row) > 2]
    return (contexts, pooled, torch.cat(masks)) if masks else (contexts, pooled)


def expanded(words: Words, rows: int) -> Words:
    """The one row of an embedding, `rows` times."""
    return tuple(each.expand(rows, *each.shape[1:]) for each in words)


def unpadded(words: Words) -> list[Tensor]:
    """The context [T_i, C] of each row without its padding."""
    return [row[kept] for row, kept in zip(words[0], words[2].bool(), strict=True)]
