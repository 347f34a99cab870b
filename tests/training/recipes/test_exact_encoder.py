"""The computed encoder gives the fixed latent, in the class that ships."""

import torch

from emofeedback.embedded.autoencoder import new_autoencoder
from training.recipes.exact_encoder import write_exact_encoder
from training.recipes.latents import encode_fixed


def test_the_computed_encoder_is_the_block_transform():
    pictures = torch.rand(2, 48, 64, 3, generator=torch.Generator().manual_seed(0))
    model = new_autoencoder()
    write_exact_encoder(model.encoder)
    with torch.no_grad():
        latents = model.encode(pictures.movedim(-1, 1) * 2 - 1).latents
    torch.testing.assert_close(latents, encode_fixed(pictures), atol=2e-5, rtol=0)
