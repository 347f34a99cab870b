"""From what the embedded generator predicts, clean latents, to what samplers ask for."""

from collections.abc import Callable

import torch
from torch import Tensor

LEAST_SIGMA = 0.05
"""Noise level below which a velocity is no longer made of ever smaller differences."""


def velocity_of(guess: Tensor, noisy: Tensor, sigma: Tensor, guess_error: float = 0.0) -> Tensor:
    """Velocity (noise - clean) of noisy = (1 - sigma) clean + sigma noise.

    The clean latents are the mean of two witnesses, each weighted by how sure it is: the network's
    guess, and the noisy latents, which err by sigma / (1 - sigma). Where little noise is left the
    latter know more, and what a small network mistakes in a token does not become a patch.

    Args:
        guess, noisy: [B, C, h, w].
        sigma: [B] noise levels, 0..1.
        guess_error: standard deviation by which the guess is taken to err; 0: it alone counts.
    """
    level = sigma.to(noisy.dtype).clamp(min=LEAST_SIGMA).reshape(-1, 1, 1, 1)
    trusted = guess_error**2 * (1 - level)
    return (noisy * (level - trusted) - guess * level) / (level.square() + trusted * (1 - level))


def over_seams(
    guess: Callable[[Tensor], Tensor], noisy: Tensor, sigma: Tensor, below: float
) -> Tensor:
    """A guess in which no patch of the network shows, for noise levels below `below`.

    A network that paints in patches errs alike within each of them, so its patches meet in steps.
    There the latents are guessed twice, the second time moved by one cell, so that the borders of
    one guess lie within the patches of the other, and both count alike. The outermost cells, which
    the second guess would see beside the far side, keep the first.

    Args:
        guess: clean latents [B, C, h, w] of noisy ones.
        sigma: [B] noise levels, 0..1.
        below: 0 guesses once everywhere.
    """
    once = guess(noisy)
    late = sigma < below
    if not late.any():
        return once
    moved = guess(noisy.roll((1, 1), (-2, -1))).roll((-1, -1), (-2, -1))
    share = torch.zeros_like(once)
    share[late, ..., 1:-1, 1:-1] = 0.5
    return torch.lerp(once, moved, share)
