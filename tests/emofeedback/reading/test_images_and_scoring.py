import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emofeedback.errors import ImageError
from emofeedback.images import check_images
from emofeedback.lvlm.readout import (
    expected_digits,
)
from emofeedback.records.calibration import (
    Calibration,
)
from emofeedback.records.emotion import Emotion


def one_odd_pixel(value: float) -> torch.Tensor:
    images = torch.rand(3, 8, 8, 3)
    images[1, 2, 3, 0] = value
    return images


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (None, "No images arrived"),
        ("cat.png", "got str"),
        (torch.zeros(8, 8, 3), r"shape \(8, 8, 3\)"),
        (torch.zeros(0, 8, 8, 3), "0 images"),
        (torch.zeros(2, 1, 1, 3), "1 x 1 pixels"),
        (torch.zeros(1, 8, 8, 1), r"shape \(1, 8, 8, 1\)"),
        (torch.full((2, 8, 8, 3), float("nan")), "2 of 2 images hold NaN"),
        (one_odd_pixel(float("nan")), "1 of 3 images hold NaN"),
        (one_odd_pixel(float("inf")), "1 of 3 images hold NaN or infinite"),
        (one_odd_pixel(float("-inf")), "1 of 3 images hold NaN or infinite"),
    ],
)
def test_unusable_images_are_refused_with_the_reason(images, text):
    with pytest.raises(ImageError, match=text):
        check_images(images)


def test_alpha_and_double_precision_become_plain_pictures():
    clear = torch.zeros(1, 8, 8, 4, dtype=torch.float64)
    checked = check_images(clear)
    assert checked.dtype == torch.float32 and checked.shape == (1, 8, 8, 3)
    assert (checked == 1).all()


@given(st.lists(st.floats(-20, 20), min_size=9, max_size=9))
def test_the_expected_rating_is_the_mean_and_spread_of_the_digits(logits):
    mean, spread = expected_digits(torch.tensor(logits))
    weights = [math.exp(x - max(logits)) for x in logits]
    levels = [(digit - 5) * 0.75 for digit in range(1, 10)]
    expected = sum(w * x for w, x in zip(weights, levels, strict=True)) / sum(weights)
    second = sum(w * x * x for w, x in zip(weights, levels, strict=True)) / sum(weights)
    assert float(mean) == pytest.approx(expected, abs=1e-4)
    assert float(spread) ** 2 == pytest.approx(second - expected**2, abs=1e-3)


def test_calibration_is_affine_and_says_when_it_clips():
    calibration = Calibration("oasis", scale=(0.5, 2.0), offset=(0.1, 0.0))
    assert calibration.apply(2.0, 1.0) == (Emotion(1.1, 2.0), False)
    assert calibration.apply(2.0, 2.0) == (Emotion(1.1, 3.0), True)
    turned = Calibration("turned", scale=(-0.5, 2.0), offset=(3.0, -3.0))
    assert turned.spread(1.0, 0.4) == (0.5, 0.8)  # as wide whichever way round, wherever moved
