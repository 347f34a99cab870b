"""Patch embeddings as the matrix product that they are.

Vision towers of the Qwen family cut pictures into patches beforehand and embed each by a
three-dimensional convolution that fits into it once. PyTorch's convolution is slow at that shape:
on one CPU thread it takes four times as long as the product. Others convolve whole pictures in
steps as wide as the kernel; in bfloat16 on processors with AMX that convolution is not only slow
but wrong at some shapes (oneDNN, torch 2.13: 16 channels into 192 by 4 x 4, relative error 1.2).
"""

from __future__ import annotations

import torch
from torch import Tensor


class WholePatchConv(torch.nn.Conv3d):
    """A convolution that meets each patch [M, C, T, P, P] in a single place."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """[M, D, 1, 1, 1] by a matrix product; any other input is convolved."""
        if input.shape[2:] != self.weight.shape[2:]:
            return super().forward(input)
        rows = torch.nn.functional.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return rows[..., None, None, None]


class PatchGridConv(torch.nn.Conv2d):
    """A convolution whose steps are as wide as its kernel: no pixel is met twice."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's name
        """[B, D, H / P, W / P] by a matrix product; what the kernel does not divide is cut off."""
        high, wide = self.weight.shape[2:]
        rows, columns = input.shape[-2] // high, input.shape[-1] // wide
        whole = input[..., : rows * high, : columns * wide]
        cut = whole.reshape(*input.shape[:-2], rows, high, columns, wide)
        patches = cut.movedim((-4, -2), (-5, -4)).flatten(-3)  # [B, rows, columns, C * P * P]
        made = torch.nn.functional.linear(patches, self.weight.flatten(1), self.bias)
        return made.movedim(-1, -3)


def embed_whole_patches(model: torch.nn.Module) -> None:
    """Lets a model embed patches by matrix products; its weights keep their names and shapes."""
    for module in model.modules():
        if type(module) is torch.nn.Conv3d and _is_plain(module):
            module.__class__ = WholePatchConv
        elif type(module) is torch.nn.Conv2d and _is_plain(module) and _steps_by_kernel(module):
            module.__class__ = PatchGridConv


def _is_plain(conv: torch.nn.Conv2d | torch.nn.Conv3d) -> bool:
    return not any(conv.padding) and set(conv.dilation) == {1} and conv.groups == 1


def _steps_by_kernel(conv: torch.nn.Conv2d) -> bool:
    return conv.stride == conv.kernel_size and max(conv.kernel_size) > 1
