"""Patch embeddings by matrix products give what the convolution gives, and keep it in bfloat16."""

import copy

import pytest
import torch

from emofeedback.lvlm.patches import embed_whole_patches

CONVOLUTIONS = {
    "grid": (torch.nn.Conv2d(16, 192, 4, stride=4), (2, 16, 32, 24)),
    "grid that does not divide the picture": (torch.nn.Conv2d(3, 8, 14, stride=14), (1, 3, 30, 45)),
    "whole patches": (torch.nn.Conv3d(3, 8, (2, 4, 4), stride=(2, 4, 4)), (5, 3, 2, 4, 4)),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_patches_are_embedded_as_the_convolution_does(kind: str) -> None:
    conv, shape = CONVOLUTIONS[kind]
    model = torch.nn.Sequential(copy.deepcopy(conv))
    embed_whole_patches(model)
    assert type(model[0]) is not type(conv)
    pictures = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(pictures), conv(pictures), atol=1e-5, rtol=1e-5)
    half = copy.deepcopy(model).bfloat16()(pictures.bfloat16()).float()
    assert (half - conv(pictures)).norm() < 0.01 * conv(pictures).norm()


def test_other_convolutions_stay_as_they_are() -> None:
    kept = [torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(3, 4, 4, stride=2)]
    model = torch.nn.Sequential(*kept, torch.nn.Conv2d(3, 4, 1))
    embed_whole_patches(model)
    assert {type(module) for module in model} == {torch.nn.Conv2d}
