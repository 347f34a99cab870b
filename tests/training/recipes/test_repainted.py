"""Repainted pictures: the generator's brush on a drawing whose truth is known."""

import numpy as np
import pytest
import torch

from emofeedback.embedded import autoencoder
from training.recipes.repainted import (
    FIRST_STEPS,
    NUM_STEPS,
    put_repainted,
    repaint,
    repainted_set,
)
from training.world import dataset
from training.world.captions import caption
from training.world.judge import judge
from training.world.render import render
from training.world.scene import sample_scene

COUNT = 6


@pytest.fixture(scope="module")
def scenes():
    random = np.random.default_rng(7)
    return [sample_scene(random, split="any") for _ in range(COUNT)]


@pytest.fixture(scope="module")
def drawn(scenes):
    return torch.from_numpy(np.stack([render(scene, 256) for scene in scenes]))


@pytest.fixture(scope="module")
def captions(scenes):
    return [caption(scene, np.random.default_rng(scene.seed)) for scene in scenes]


def test_beginning_after_the_last_step_changes_no_more_than_the_autoencoder(drawn, captions):
    untouched = repaint(drawn, captions, NUM_STEPS, seed=1)
    decoded = autoencoder.decode(autoencoder.encode(drawn.float() / 255))
    assert (untouched - decoded).abs().mean() < 0.005


def test_repainting_keeps_the_subject_and_the_feeling(scenes, drawn, captions):
    painted = repaint(drawn, captions, FIRST_STEPS[0], seed=1)
    assert (painted - drawn.float() / 255).abs().mean() > 0.02
    seen = judge(painted)
    assert seen.subjects == [scene.subject for scene in scenes]
    truth = torch.tensor([scene.emotion for scene in scenes])
    read = torch.stack([seen.valence, seen.arousal], dim=1)
    assert (read - truth).abs().mean() < 0.8 < truth.abs().mean()


def test_repainted_pictures_come_with_their_own_scenes(tmp_path, monkeypatch, scenes):
    monkeypatch.setattr(dataset, "CACHE_DIR", tmp_path)
    monkeypatch.setattr(dataset, "_CHUNK", 4)
    kept = repainted_set(4, seed=3, size=32, split="train")
    assert kept.scenes == dataset.scenes_of(range(4), seed=3, split="train")
    again = repainted_set(2, seed=3, size=32, split="train")
    assert np.array_equal(again.pictures, kept.pictures[:2])

    images, placed = torch.zeros(COUNT, 32, 32, 3), list(scenes)
    put_repainted(images, placed, np.array([4, 1]), kept, np.random.default_rng(0))
    changed = [index for index in range(COUNT) if images[index].any()]
    assert changed == [1, 4]
    assert [placed[i] is scenes[i] for i in range(COUNT)] == [True, False, True, True, False, True]
    for index in changed:
        shown = images[index].mean((0, 1))
        nearest = [
            float((torch.tensor(picture).float().mean((0, 1)) / 255 - shown).abs().sum())
            for picture in kept.pictures
        ]
        assert kept.scenes[int(np.argmin(nearest))] == placed[index]
    assert repainted_set(0, seed=3, size=32, split="train") is None
