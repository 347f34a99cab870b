"""The readers' recipes run, resume exactly and export what the package loads; their truths hold."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emofeedback.embedded.foreign import load_detector
from emofeedback.embedded.scorer import load_lvlm
from emofeedback.embedded.weights import FOLDER
from emofeedback.lvlm.answers import read_reasoned, read_rewrite
from emofeedback.records.emotion import from_scale
from emofeedback.refining.cues import FAMILIES, named_cues
from emofeedback.refining.rules import MAX_CLAUSE_WORDS
from training.recipes import foreign as foreign_recipe
from training.recipes import judge as judge_recipe
from training.recipes import lvlm as lvlm_recipe
from training.recipes.augment import augment
from training.recipes.lvlm_model import LvlmConfig
from training.recipes.lvlm_tasks import (
    digit_weights,
    explain_lesson,
    levels_of,
    refine_lesson,
    refined_levels,
)
from training.recipes.measure import Metric, table
from training.recipes.train import train_role
from training.runs.optim import Optim
from training.runs.run import RunOptions
from training.runs.run_state import load_latest
from training.world import dataset
from training.world.judge import WEIGHTS, JudgeNet, JudgeShape, judge, load_judge
from training.world.outliers import outlier
from training.world.scene import NEUTRAL_CUES, Scene, sample_scene

OPTIM = Optim(learning_rate=1e-3, warmup_steps=2, ema_decay=0.9)
SHAPE = JudgeShape(size=32, stem=4, widths=(4, 8))
RECIPES = {
    "lvlm": (
        lvlm_recipe,
        LvlmConfig(
            size=64, vision_width=32, vision_depth=1, width=64, depth=1, feed_forward=64,
            vocab_size=700, pictures=16, seen=6, rated=2, explained=2, refined=2, unseen=1,
            seeing_steps=1, optim=OPTIM, repainted_pictures=8, repainted=2,
        ),
    ),
    "judge": (
        judge_recipe,
        judge_recipe.JudgeConfig(
            shape=SHAPE, pictures=16, batch=4, optim=OPTIM, repainted_pictures=8, repainted=2
        ),
    ),
    "foreign": (
        foreign_recipe,
        foreign_recipe.ForeignConfig(
            size=64, pictures=16, outliers=8, batch=4, generated=1, optim=OPTIM
        ),
    ),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few_pictures(tmp_path_factory):
    """Draw into a folder of the test, and no more than one chunk a set."""
    patch = pytest.MonkeyPatch()
    patch.setattr(dataset, "CACHE_DIR", tmp_path_factory.mktemp("pictures"))
    patch.setattr(dataset, "_CHUNK", 16)
    real = dataset.picture_set

    def capped(count, **options):
        return real(min(count, 16), **options)

    for module in (lvlm_recipe, judge_recipe, foreign_recipe):
        patch.setattr(module, "picture_set", capped)
    yield
    patch.undo()


@pytest.fixture
def options(tmp_path) -> RunOptions:
    return RunOptions(
        run_dir=tmp_path / "whole",
        weights=tmp_path / "weights",
        steps=3,
        threads=1,
        checkpoint_seconds=0,
        export=True,
    )


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_stopped_after_two_steps_ends_as_an_uninterrupted_one(name, options, tmp_path):
    module, config = RECIPES[name]
    # the schedule follows the budget: hold the rate, so that only the state can differ
    config = replace(config, optim=replace(OPTIM, final_rate=1.0))
    module.train_with(config, options)
    parts = replace(options, run_dir=tmp_path / "parts")
    module.train_with(config, replace(parts, steps=2))
    module.train_with(config, parts)
    whole, resumed = (load_latest(tmp_path / kind / "checkpoints") for kind in ("whole", "parts"))
    assert whole.step == resumed.step == 3
    assert whole.values.keys() == resumed.values.keys()
    for key, value in whole.values.items():
        assert torch.equal(value, resumed.values[key]), key


def test_an_exported_model_loads_as_an_ordinary_transformers_folder(options):
    run = lvlm_recipe.train_with(RECIPES["lvlm"][1], options)
    folder = options.weights / "drawn_lvlm"
    loaded, images = load_lvlm(folder), torch.rand(3, 50, 70, 3)
    joint = loaded.digits(images)
    assert joint.shape == (3, 9, 9)
    assert loaded.processor.side == 64
    with run.averaged():
        trained = run.modules["lvlm"].state_dict()
        for name, value in loaded.model.state_dict().items():
            assert torch.equal(value, trained[name].half().float()), name


def test_an_exported_model_says_all_that_the_shipped_one_says(options):
    """The shipped folder is read by the lowest transformers that is declared, by `--lowest`."""
    lvlm_recipe.train_with(RECIPES["lvlm"][1], options)
    for name, part in (("config.json", "text_config"), ("tokenizer_config.json", None)):
        made, shipped = (
            json.loads((folder / "drawn_lvlm" / name).read_text(encoding="utf-8"))
            for folder in (options.weights, FOLDER)
        )
        assert set(made) == set(shipped)
        assert part is None or set(made[part]) == set(shipped[part])
    assert made["tokenizer_class"] == shipped["tokenizer_class"]


def test_an_exported_detector_loads_with_its_threshold(options):
    foreign_recipe.train_with(RECIPES["foreign"][1], options)
    detector = load_detector(options.weights)
    assert math.isfinite(detector.threshold)
    assert len(detector.foreign(torch.rand(5, 40, 40, 3))) == 5


def test_the_judge_reads_a_batch_as_its_pictures_and_stays_on_the_scale():
    torch.manual_seed(0)
    net, images = JudgeNet(SHAPE).eval(), torch.rand(5, 48, 40, 3)
    net.head.weight.data *= 100
    seen, alone = judge(images, net), judge(images[3:4], net)
    torch.testing.assert_close(seen.valence[3:4], alone.valence)
    assert seen.subjects[3] == alone.subjects[0]
    assert seen.valence.abs().max() <= 3


def test_digit_weights_carry_the_value_exactly():
    digits = np.array([from_scale(digit, "sam9") for digit in range(1, 10)])
    for value in np.linspace(-3, 3, 61):
        weights = digit_weights(float(value))
        assert weights.sum() == pytest.approx(1, abs=1e-6)
        assert (weights > 1e-6).sum() <= 2
        assert weights @ digits == pytest.approx(value, abs=1e-5)


def test_every_taught_answer_can_be_read_and_tells_the_truth():
    random = np.random.default_rng(4)
    for _ in range(200):
        scene = sample_scene(random, split="any")
        told = read_reasoned(explain_lesson(scene).answer)
        felt = {level.label for level in levels_of(scene) if not level.neutral}
        assert {cue.name for cue in told.cues} == felt
        answer = read_rewrite(refine_lesson(scene, random).answer)
        assert len(answer.clause.split()) <= MAX_CLAUSE_WORDS
        assert len(answer.suggestions) <= 3
        named = {level.label for level in named_cues(answer.clause)}
        neutral = {levels[0].label for levels in FAMILIES.values()}
        assert all(each.cue in named | neutral for each in answer.suggestions)


def test_a_taught_refinement_brings_the_feeling_to_where_it_is_wanted():
    random, left = np.random.default_rng(5), []
    for _ in range(300):
        scene = sample_scene(random)
        target = random.uniform(-2.5, 2.5, 2)
        change = (target[0] - scene.emotion[0], target[1] - scene.emotion[1])
        after = Scene(
            scene.place,
            scene.subject,
            tuple(level.name for level in refined_levels(levels_of(scene), change)),
            0,
        )
        left.append(math.dist(after.emotion, target))
    assert np.mean(left) < 0.35
    assert max(left) < 1.2


def test_nothing_is_changed_where_nothing_is_wanted():
    scene = Scene("sea", "boat", NEUTRAL_CUES, 0)
    assert refined_levels(levels_of(scene), (0.1, -0.1)) == levels_of(scene)


def test_augmentation_depends_on_its_source_alone_and_keeps_the_range():
    pictures = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    first, second = (augment(pictures, np.random.default_rng(9)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (6, 32, 32, 3)
    assert 0 <= first.min() <= first.max() <= 1
    mild = augment(pictures, np.random.default_rng(9), clean=1.0)
    # mirrored and shifted only: no new colours
    assert set(np.unique((mild * 255).round())) <= set(np.unique(pictures))


def test_outliers_are_pictures_and_never_the_drawn_one():
    drawn = np.random.default_rng(1).random((64, 64, 3), dtype=np.float32)
    made = [outlier(np.random.default_rng(seed), drawn) for seed in range(40)]
    for picture in made:
        assert picture.shape == drawn.shape
        assert np.isfinite(picture).all()
        assert 0 <= picture.min() <= picture.max() <= 1
        assert np.abs(picture - drawn).mean() > 0.02


def test_the_table_shows_missing_numbers_as_dashes():
    text = table([Metric("lvlm", "cue F1", 0.5, 3, "note"), Metric("foreign", "x", math.nan, 0)])
    assert "0.500      3  note" in text
    assert text.splitlines()[-1].split() == ["foreign", "x", "-", "0"]


def test_the_exported_weights_name_the_command_that_made_them(options):
    from safetensors import safe_open

    judge_recipe.train_with(RECIPES["judge"][1], options)
    path: Path = options.weights / "drawn_judge.safetensors"
    with safe_open(str(path), "pt") as file:
        assert file.metadata()["command"].startswith("python -m training.world train judge")


@pytest.mark.parametrize("name", ["judge", "lvlm"])
def test_a_reader_starts_from_the_weights_it_is_given(name, tmp_path, monkeypatch):
    taken = {}
    module = {"judge": judge_recipe, "lvlm": lvlm_recipe}[name]
    monkeypatch.setattr(
        module, "train_with", lambda config, options: taken.update(config=config, options=options)
    )
    folder = {"judge": WEIGHTS.parent, "lvlm": FOLDER}[name]
    train_role(name, run_dir=tmp_path, start=folder, repainted=0, steps=0)
    assert taken["config"].repainted_pictures == 0
    monkeypatch.undo()
    scene = sample_scene(np.random.default_rng(0), split="train")
    one = dataset.PictureSet([scene], np.zeros((1, 128, 128, 3), np.uint8))
    monkeypatch.setattr(module, "picture_set", lambda *_, **__: one)
    run = module.train_with(taken["config"], taken["options"])
    shipped = load_judge() if name == "judge" else load_lvlm(FOLDER / "drawn_lvlm").model
    for key, value in run.modules[name].state_dict().items():
        assert torch.allclose(value.float(), shipped.state_dict()[key].float()), key
