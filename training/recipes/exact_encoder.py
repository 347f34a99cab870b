"""The fixed latent written into TAESD's encoder, exactly: its weights are computed, not learned.

The block transform is linear, and the encoder can hold it: two strided convolutions only sort
pixels into channels (12, then 48 of 64), the third one takes the 16 coefficients of each 8 x 8
block, each as a positive and a negative part, since every block ends in a ReLU; the last
convolution joins them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .latents import BLOCK, scaled_patterns

COLOURS = 3
COEFFICIENTS = 16


@torch.no_grad()
def write_exact_encoder(encoder: Any) -> None:
    """Set the weights of a diffusers `EncoderTiny` (64 wide, 8x smaller, 16 channels) in place."""
    convolutions: list[Any] = [layer for layer in encoder.layers if isinstance(layer, nn.Conv2d)]
    blocks = [layer for layer in encoder.layers if not isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        layer.weight.zero_()
        if layer.bias is not None:
            layer.bias.zero_()
    for block in blocks:  # what a block adds is nothing; what it gets is not negative
        block.conv[-1].weight.zero_()
        block.conv[-1].bias.zero_()
    take, halve, quarter, transform, join = convolutions
    for colour in range(COLOURS):
        take.weight[colour, colour, 1, 1] = 1
    for layer, channels in ((halve, COLOURS), (quarter, 4 * COLOURS)):
        for place, (row, column) in enumerate(_CORNERS):
            for channel in range(channels):
                layer.weight[place * channels + channel, channel, 1 + row, 1 + column] = 1
    kernel = _kernel()
    transform.weight[:COEFFICIENTS, : kernel.shape[1]] = kernel
    transform.weight[COEFFICIENTS : 2 * COEFFICIENTS, : kernel.shape[1]] = -kernel
    for channel in range(COEFFICIENTS):
        join.weight[channel, channel, 1, 1] = 1
        join.weight[channel, COEFFICIENTS + channel, 1, 1] = -1
    join.bias[:] = -scaled_patterns().sum((1, 2, 3))  # pixels arrive in 0..1, not in -1..1


_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _kernel() -> Tensor:
    """[16, 48, 3, 3]: coefficients from pixels that two halvings have sorted into 48 channels."""
    patterns = 2 * scaled_patterns()
    kernel = torch.zeros(COEFFICIENTS, 16 * COLOURS, 3, 3)
    for row in range(BLOCK):
        for column in range(BLOCK):
            first = _CORNERS.index((row % 2, column % 2))
            second = _CORNERS.index((row // 2 % 2, column // 2 % 2))
            for colour in range(COLOURS):
                channel = second * 4 * COLOURS + first * COLOURS + colour
                kernel[:, channel, 1 + row // 4, 1 + column // 4] = patterns[:, colour, row, column]
    return kernel
