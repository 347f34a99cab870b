"""From clean latents to velocities."""

import pytest
import torch

from emofeedback.embedded.prediction import LEAST_SIGMA, velocity_of

SIGMA = torch.tensor([LEAST_SIGMA, 0.2, 0.5, 0.9, 1.0])


@pytest.fixture
def parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clean latents, noise and what lies between them, each [5, 16, 4, 4]."""
    clean, noise = torch.randn(2, 5, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    level = SIGMA[:, None, None, None]
    return clean, noise, (1 - level) * clean + level * noise


def test_the_velocity_is_noise_minus_clean_at_every_noise_level(parts):
    clean, noise, noisy = parts
    torch.testing.assert_close(velocity_of(clean, noisy, SIGMA), noise - clean, atol=1e-5, rtol=0)


def test_a_guess_and_noisy_latents_count_by_how_sure_they_are(parts):
    clean, _, noisy = parts
    level = SIGMA[:, None, None, None]
    guess = clean + 0.1
    seen = noisy / (1 - level)
    weights = 1 / torch.tensor(0.3).square(), ((1 - level) / level).square()
    mean = (weights[0] * guess + weights[1] * seen) / (weights[0] + weights[1])
    mean[-1] = guess[-1]  # pure noise says nothing
    got = noisy - level * velocity_of(guess, noisy, SIGMA, 0.3)
    torch.testing.assert_close(got, mean, atol=1e-5, rtol=0)


def test_near_the_end_the_velocity_stays_finite():
    clean, noisy = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 0.01)
    assert velocity_of(clean, noisy, torch.zeros(1)).item() == pytest.approx(0.01 / LEAST_SIGMA)
