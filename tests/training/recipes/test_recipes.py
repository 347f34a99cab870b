"""Each picture recipe runs, exports what the package loads, and resumes a killed run exactly."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emofeedback.embedded import autoencoder as embedded_autoencoder
from emofeedback.embedded.clip import load_clip, similarity, unknown_words
from emofeedback.embedded.generator import GeneratorConfig, generate
from emofeedback.errors import CheckpointError, ConfigError
from emofeedback.refining.cues import FAMILIES
from training.recipes import autoencoder, generator, picture_tower, text_tower
from training.recipes.clip import HEADS, heads_loss
from training.recipes.generator_data import CaptionShares, draw_batch, place_odds
from training.runs.optim import Optim
from training.runs.run import Run, RunOptions
from training.runs.run_state import TENSORS, RunState, load_latest
from training.world import dataset
from training.world.scene import held_out, sample_scene
from training.world.vocabulary import PLACES, SUBJECTS

OPTIM = Optim(learning_rate=1e-3, warmup_steps=2, ema_decay=0.9)
AUTOENCODER = autoencoder.AutoencoderConfig(
    size=32, crop=16, batch=2, pictures=16, held_out_pictures=8, optim=OPTIM
)
TEXT_TOWER = text_tower.TextTowerConfig(
    size=32, text_layers=1, image_width=64, image_layers=1, batch=4, optim=OPTIM
)
GENERATOR = generator.GeneratorRecipe(
    model=GeneratorConfig(size=32, depth=1), adapter_width=16, batch=4, pictures=16, optim=OPTIM
)
PICTURE_TOWER = picture_tower.PictureTowerConfig(
    batch=4, pictures=16, held_out_pictures=8, optim=OPTIM
)
RECIPES = {
    "autoencoder": (autoencoder, AUTOENCODER),
    "text_tower": (text_tower, TEXT_TOWER),
    "generator": (generator, GENERATOR),
    "picture_tower": (picture_tower, PICTURE_TOWER),
}


class Killed(BaseException):
    """Stands for a kill: nothing in a run catches it."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A weights folder with everything, after two steps each."""
    home = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setattr(dataset, "CACHE_DIR", home / "pictures")
    for name in ("text_tower", "autoencoder", "generator"):
        module, config = RECIPES[name]
        options = RunOptions(
            run_dir=home / name, weights=home / "weights", steps=2, threads=1, export=True
        )
        module.train_with(config, options)
    yield home / "weights"
    patch.undo()


@pytest.fixture
def one_step_a_checkpoint(weights, tmp_path) -> RunOptions:
    return RunOptions(
        run_dir=tmp_path / "whole", weights=weights, steps=4, threads=1, checkpoint_seconds=0
    )


@pytest.mark.parametrize("name", RECIPES)
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    name, one_step_a_checkpoint, tmp_path, monkeypatch
):
    module, config = RECIPES[name]
    whole = module.train_with(config, one_step_a_checkpoint)
    options = replace(one_step_a_checkpoint, run_dir=tmp_path / "killed")
    real_step = Run._one_step

    def killed_in_the_third_step(run, loss):
        numbers = real_step(run, loss)
        if run.step == 3:
            monkeypatch.setattr(run, "save", lambda: None)  # a kill leaves no time for it
            raise Killed
        return numbers

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_one_step", killed_in_the_third_step)
        with pytest.raises(Killed):
            module.train_with(config, options)
    left = load_latest(options.run_dir / "checkpoints")
    assert left.step == 2
    resumed = module.train_with(config, options)
    assert resumed.step == whole.step == 4
    states = [load_latest(run.options.run_dir / "checkpoints") for run in (whole, resumed)]
    assert same_tensors(*states)
    assert not same_tensors(left, states[1])


def same_tensors(one: RunState, other: RunState) -> bool:
    pairs = zip(tensors_of(one), tensors_of(other), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def tensors_of(state: RunState) -> list[torch.Tensor]:
    memory = state.optimizer["state"]
    groups = [state.values, state.average, *(memory[index] for index in sorted(memory))]
    return [group[key] for group in groups for key in sorted(group)]


def test_a_run_folder_of_other_settings_is_not_continued(one_step_a_checkpoint):
    options = replace(one_step_a_checkpoint, steps=1)
    autoencoder.train_with(AUTOENCODER, options)
    with pytest.raises(ConfigError, match="other settings.*another --run"):
        autoencoder.train_with(replace(AUTOENCODER, batch=3), options)
    with pytest.raises(ConfigError, match="other settings"):
        autoencoder.train_with(AUTOENCODER, replace(options, seed=5))


def test_a_damaged_checkpoint_says_how_to_start_again(one_step_a_checkpoint):
    options = replace(one_step_a_checkpoint, steps=1)
    autoencoder.train_with(AUTOENCODER, options)
    path = next((options.run_dir / "checkpoints").glob("step-*")) / TENSORS
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged.*Start anew.*or delete"):
        autoencoder.train_with(AUTOENCODER, options)


def test_the_generator_asks_for_the_text_tower_first(one_step_a_checkpoint, tmp_path):
    options = replace(one_step_a_checkpoint, weights=tmp_path / "nothing here")
    with pytest.raises(CheckpointError, match="train text_tower"):
        generator.train_with(GENERATOR, options)


def test_exported_weights_load_and_work_together(weights):
    calm = generate(["a boat on the sea"], emotion=[(1.0, -2.0)], steps=2, folder=weights)
    assert calm.shape == (1, 32, 32, 3)
    assert calm.min() >= 0 and calm.max() <= 1
    words_alone = generate(["a boat on the sea"], steps=2, folder=weights)
    off = generate(
        ["a boat on the sea"], emotion=[(1.0, -2.0)], strength=0, steps=2, folder=weights
    )
    assert torch.equal(words_alone, off)
    likeness = similarity(calm, "a boat on the sea", folder=weights)
    assert likeness.shape == (1,) and 0 <= likeness <= 1
    assert unknown_words("A boat, quux on the sea! Quux?", folder=weights) == ("quux",)


def test_a_further_trained_picture_tower_leaves_the_text_tower_alone(weights, tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(weights, folder)
    before = load_file(folder / "drawn_clip" / "model.safetensors")
    options = RunOptions(run_dir=tmp_path, weights=folder, steps=2, threads=1, export=True)
    picture_tower.train_with(PICTURE_TOWER, options)
    after = load_file(folder / "drawn_clip" / "model.safetensors")
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not [name for name in changed if name.startswith(("text_", "logit_scale"))]
    assert load_clip(folder)[0].calibration


def test_taesd_keys_and_diffusers_keys_hold_the_same_autoencoder():
    state = embedded_autoencoder.new_autoencoder().state_dict()
    there = embedded_autoencoder.to_taesd(state)
    assert "taesd_decoder.1.weight" in there and "taesd_encoder.0.weight" in there
    back = embedded_autoencoder.from_taesd(there)
    assert set(back) == set(state) and all(torch.equal(back[key], state[key]) for key in state)


def test_a_truncated_weight_file_is_named(weights, tmp_path):
    broken = tmp_path / "weights"
    broken.mkdir()
    for file in weights.iterdir():
        if file.is_file():
            (broken / file.name).write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="drawn_autoencoder.safetensors is damaged"):
        embedded_autoencoder.load_autoencoder(broken)
    with pytest.raises(CheckpointError, match="missing.*train text_tower"):
        load_clip(broken)


def test_a_held_out_pair_is_never_learnt_as_impossible():
    places = [(place + 1) % len(PLACES) for place in held_out_places()]
    truth = torch.tensor([[p, s, *[0] * len(FAMILIES)] for s, p in enumerate(places)])
    logits = torch.randn(len(truth), sum(HEADS), requires_grad=True)
    heads_loss(logits, truth).backward()
    for row, place in enumerate(held_out_places()):
        assert logits.grad[row, place] == 0
        assert logits.grad[row, : len(PLACES)].count_nonzero() == len(PLACES) - 1


def held_out_places() -> list[int]:
    """The one place of each subject whose pictures are never trained on."""
    return [next(p for p in range(10) if held_out(PLACES[p], subject)) for subject in SUBJECTS]


def test_hard_places_are_drawn_more_often_and_all_others_alike() -> None:
    scenes = [sample_scene(np.random.default_rng(seed)) for seed in range(60)]
    odds = place_odds(scenes, ("desert", "mountain"), 2.5)
    hard = np.array([scene.place in ("desert", "mountain") for scene in scenes])
    assert odds.sum() == pytest.approx(1)
    assert np.allclose(odds[hard], 2.5 * odds[~hard][0]) and np.ptp(odds[~hard]) == 0
    batch = draw_batch(scenes, 400, CaptionShares(), np.random.default_rng(0), odds)
    assert hard[batch.indices].mean() == pytest.approx(odds[hard].sum(), abs=0.08)
