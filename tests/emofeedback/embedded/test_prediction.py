"""From clean latents to velocities."""

import pytest
import torch

from emofeedback.embedded.prediction import LEAST_SIGMA, velocity_of


def test_the_velocity_is_noise_minus_clean_at_every_noise_level():
    source = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 5, 16, 4, 4, generator=source)
    sigma = torch.tensor([LEAST_SIGMA, 0.2, 0.5, 0.9, 1.0])
    level = sigma[:, None, None, None]
    noisy = (1 - level) * clean + level * noise
    torch.testing.assert_close(velocity_of(clean, noisy, sigma), noise - clean, atol=1e-5, rtol=0)


def test_near_the_end_the_velocity_stays_finite():
    clean, noisy = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.01)
    assert velocity_of(clean, noisy, torch.zeros(1)).item() == pytest.approx(0.01 / LEAST_SIGMA)
