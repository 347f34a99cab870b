"""Patch embeddings as the matrix product that they are.

Vision towers of the Qwen family cut pictures into patches beforehand and embed each by a
three-dimensional convolution that fits into it once. PyTorch's convolution is slow at that shape:
on one CPU thread it takes four times as long as the product.
"""

from __future__ import annotations

import torch
from torch import Tensor


class WholePatchConv(torch.nn.Conv3d):
    """A convolution that meets each patch [M, C, T, P, P] in a single place."""

    def forward(self, input: Tensor) -> Tensor:
        """[M, D, 1, 1, 1] by a matrix product; any other input is convolved."""
        if input.shape[2:] != self.weight.shape[2:]:
            return super().forward(input)
        rows = torch.nn.functional.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return rows[..., None, None, None]


def embed_whole_patches(model: torch.nn.Module) -> None:
    """Lets a model embed patches by matrix products; its weights keep their names and shapes."""
    for module in model.modules():
        if type(module) is torch.nn.Conv3d and _is_plain(module):
            module.__class__ = WholePatchConv


def _is_plain(conv: torch.nn.Conv3d) -> bool:
    return conv.padding == (0, 0, 0) and conv.dilation == (1, 1, 1) and conv.groups == 1
