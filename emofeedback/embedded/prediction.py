"""From what the embedded generator predicts, clean latents, to what samplers ask for."""

from torch import Tensor

LEAST_SIGMA = 0.05
"""Noise level below which a velocity is no longer made of ever smaller differences."""


def velocity_of(clean: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
    """Velocity (noise - clean) of noisy = (1 - sigma) clean + sigma noise.

    Args:
        clean, noisy: [B, C, h, w].
        sigma: [B] noise levels, 0..1.
    """
    level = sigma.to(noisy.dtype).clamp(min=LEAST_SIGMA).reshape(-1, 1, 1, 1)
    return (noisy - clean) / level
