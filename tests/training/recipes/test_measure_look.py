"""Seams and fine detail against pictures whose seams are known."""

import pytest
import torch

from training.recipes.measure_look import fine_energy, seam_ratios


def noise(count: int = 24, side: int = 64) -> torch.Tensor:
    return torch.rand(count, side, side, 3, generator=torch.Generator().manual_seed(1))


def test_a_picture_without_patches_has_no_seams() -> None:
    assert all(ratio < 1.05 for ratio in seam_ratios(noise(200)).values())


@pytest.mark.parametrize(("direction", "axis"), [("rows", 1), ("columns", 2)])
def test_a_step_every_sixteen_pixels_is_found_there(direction: str, axis: int) -> None:
    flat = torch.zeros(4, 64, 64, 3)
    ramp = 0.001 * torch.arange(64.0) + 0.1 * (torch.arange(64) // 16)
    shape = [1, 1, 1, 1]
    shape[axis] = 64
    ratios = seam_ratios(flat + ramp.reshape(shape))
    # the step is 0.101 where all others are 0.001
    assert ratios[direction, 16] == pytest.approx(101, rel=1e-2)


def test_blurring_takes_fine_detail_away() -> None:
    pictures = noise()
    blurred = (pictures + pictures.roll(1, 1) + pictures.roll(1, 2)) / 3
    assert fine_energy(blurred) < 0.5 * fine_energy(pictures)
