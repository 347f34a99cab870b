"""The embedded scorer's warning: for photographs, not for drawn pictures that it never saw."""

import numpy as np
import pytest
import torch
from PIL import Image

from emofeedback.embedded.foreign import load_detector
from training.recipes.measure import PHOTOGRAPHS
from training.world.render import render
from training.world.scene import sample_scene


def test_at_most_two_in_a_hundred_drawn_pictures_are_warned_of() -> None:
    random = np.random.default_rng(20_001)
    drawn = np.stack([render(sample_scene(random, split="held_out"), 128) for _ in range(200)])
    warned = load_detector().foreign(torch.from_numpy(drawn).float() / 255)
    assert np.mean(warned) <= 0.02


def test_nine_in_ten_photographs_are_warned_of() -> None:
    files = sorted(PHOTOGRAPHS.glob("*.jpg")) if PHOTOGRAPHS.is_dir() else []
    if not files:
        pytest.skip("the OASIS photographs do not lie beside the project (shared/data/oasis)")
    detector = load_detector()
    warned = []
    for file in files:
        with Image.open(file) as picture:
            pixels = torch.from_numpy(np.array(picture.convert("RGB")))
        warned += detector.foreign(pixels.unsqueeze(0).float() / 255)
    assert np.mean(warned) >= 0.9
