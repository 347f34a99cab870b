"""The fixed latent is a transform that can be undone, up to the detail it drops."""

import numpy as np
import torch

from training.recipes.latents import decode_fixed, encode_fixed, patterns, preview_colours


def test_the_patterns_are_orthogonal_within_each_plane():
    lightness = patterns()[:10].sum(dim=1).flatten(1)
    torch.testing.assert_close(lightness @ lightness.T, torch.eye(10), atol=1e-5, rtol=0)


def test_what_the_latent_keeps_comes_back_exactly():
    latents = 0.1 * torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    pictures = decode_fixed(latents)
    assert pictures.min() > 0 and pictures.max() < 1
    torch.testing.assert_close(encode_fixed(pictures), latents, atol=1e-4, rtol=0)


def test_bytes_and_floats_give_the_same_latent():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, size=(2, 16, 24, 3), dtype=np.uint8)
    from_bytes = encode_fixed(pictures)
    assert from_bytes.shape == (2, 16, 2, 3)
    torch.testing.assert_close(from_bytes, encode_fixed(torch.from_numpy(pictures) / 255))


def test_preview_colours_recover_the_mean_colour_of_each_block():
    rng = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 32, 32, 3, generator=rng)
    latents = encode_fixed(pictures)
    factors, bias = preview_colours(latents, pictures)
    shown = latents.movedim(1, -1) @ torch.tensor(factors) + torch.tensor(bias)
    small = torch.nn.functional.avg_pool2d(pictures.movedim(-1, 1) * 2 - 1, 8).movedim(1, -1)
    torch.testing.assert_close(shown, small, atol=1e-3, rtol=0)
