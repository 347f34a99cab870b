"""From clean latents to velocities."""

import pytest
import torch

from emofeedback.embedded.prediction import LEAST_SIGMA, over_seams, velocity_of

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


def in_patches(noisy: torch.Tensor) -> torch.Tensor:
    """A guess that errs by the mean of each patch of two by two cells."""
    return (
        torch.nn.functional.avg_pool2d(noisy, 2).repeat_interleave(2, -1).repeat_interleave(2, -2)
    )


def test_a_guess_over_seams_has_smaller_ones():
    noisy = torch.randn(4, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    steps = [
        guess.diff(dim=-1).abs()[..., 1:-1, 1:-1].mean((0, 1, 2))
        for guess in (in_patches(noisy), over_seams(in_patches, noisy, torch.full((4,), 0.1), 0.3))
    ]
    before, after = (float(each[::2].mean() - each[1::2].mean()) for each in steps)
    assert abs(after) < 0.2 * abs(before)


def test_over_seams_changes_only_what_is_late_and_inside():
    noisy = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(2))
    once = in_patches(noisy)
    got = over_seams(in_patches, noisy, torch.tensor([0.2, 0.4]), 0.3)
    assert torch.equal(got[1], once[1])
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    assert torch.equal(got[0][:, ~inside], once[0][:, ~inside])
    assert not torch.equal(got[0], once[0])
    assert torch.equal(over_seams(in_patches, noisy, torch.tensor([0.0, 0.4]), 0.0), once)


def test_a_guess_without_patches_stays_as_it_is():
    noisy = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(3))
    got = over_seams(lambda latents: latents * 0.7, noisy, torch.tensor([0.1]), 0.3)
    torch.testing.assert_close(got, noisy * 0.7)
