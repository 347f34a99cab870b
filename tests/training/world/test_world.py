"""Promises of the drawn world: what is true of a picture and what it reaches."""

import subprocess
import sys
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.refining.cues import (
    FAMILIES,
    PLACE_EFFECTS,
    SUBJECT_EFFECTS,
    chances,
    content_effect,
    find_cue,
    total_effect,
)
from training.world.scene import NEUTRAL_CUES, Scene, held_out, sample_cues, sample_scene
from training.world.vocabulary import PLACES, SUBJECTS

pytest.importorskip("skia", reason="skia-python or libegl1 is missing", exc_type=ImportError)

from training.world.render import render, subject_mask
from training.world.render.picture import LAYERS, LAYOUTS

ROOT = Path(__file__).parents[3]
AXIS = (-3.0, -1.5, 0.0, 1.5, 3.0)
SEEDS = st.integers(0, 2**31 - 1)


def scene_of(seed: int, **options) -> Scene:
    return sample_scene(np.random.default_rng(seed), split="any", **options)


def with_cue(scene: Scene, family: str, level: str) -> Scene:
    cues = [level if each == family else scene.cue(each) for each in FAMILIES]
    return Scene(scene.place, scene.subject, tuple(cues), scene.seed)


def visible_share(one: Scene, other: Scene) -> float:
    """Share of 8 x 8 blocks at 128 px in which a viewer sees another tone or colour."""
    blocks = [
        render(scene, 128).astype(float).reshape(16, 8, 16, 8, 3).mean((1, 3))
        for scene in (one, other)
    ]
    return float((np.abs(blocks[0] - blocks[1]).max(-1) > 6).mean())


def test_the_world_is_as_wide_as_promised():
    assert len(PLACES) >= 10
    assert len(SUBJECTS) >= 14
    assert {"sea", "forest", "city"} <= set(PLACES)
    assert {"boat", "dog", "tree", "house", "person"} <= set(SUBJECTS)
    assert tuple(FAMILIES) == ("sky", "light", "palette", "weather", "signs", "posture")


def test_the_first_level_of_each_family_is_neutral_and_every_one_has_words():
    for levels in FAMILIES.values():
        assert levels[0].neutral
        assert 4 <= len(levels) - 1 <= 7
        for level in levels:
            assert level is levels[0] or not level.neutral
            assert len(level.phrases) >= 3
            assert level.source


def test_every_place_and_subject_has_a_documented_effect_of_its_own():
    for effects, known in ((PLACE_EFFECTS, PLACES), (SUBJECT_EFFECTS, SUBJECTS)):
        assert tuple(effects) == known
        sizes = np.abs(list(effects.values()))
        assert sizes.max() <= 0.35 and sizes.max(1).min() > 0
        assert (sizes.max(1) >= 0.2).mean() >= 1 / 3
        assert len(set(effects.values())) == len(effects)


def test_an_everyday_word_means_one_thing():
    said = [
        (family, level.name, phrase)
        for family, levels in FAMILIES.items()
        for level in levels
        for phrase in (*level.phrases, *level.also)
    ]
    for family, levels in FAMILIES.items():
        for level in levels:
            for word in level.also:
                meant = {(f, name) for f, name, phrase in said if f" {word} " in f" {phrase} "}
                assert meant == {(family, level.name)}, word


@pytest.mark.parametrize("target", list(product(AXIS, AXIS)), ids=str)
def test_every_pair_reaches_every_point_of_the_grid(target):
    names = [[level.name for level in levels] for levels in FAMILIES.values()]
    rng = np.random.default_rng(0)
    for place, subject in product(PLACES, SUBJECTS):
        content = content_effect(place, subject)
        scene = Scene(place, subject, sample_cues(rng, emotion=target, content=content), 0)
        assert all(cue in known for cue, known in zip(scene.cues, names, strict=True))
        assert np.hypot(*np.subtract(scene.emotion, target)) <= 0.3 + 1e-9


@given(SEEDS)
def test_emotion_is_the_clipped_sum_of_the_cue_effects(seed):
    scene = scene_of(seed)
    levels = [find_cue(family, scene.cue(family)) for family in FAMILIES]
    valence, arousal = np.add(PLACE_EFFECTS[scene.place], SUBJECT_EFFECTS[scene.subject])
    assert scene.emotion == pytest.approx(
        (
            np.clip(valence + sum(level.valence for level in levels), -3, 3),
            np.clip(arousal + sum(level.arousal for level in levels), -3, 3),
        )
    )


def test_the_even_draw_covers_the_plane_and_names_all():
    rng = np.random.default_rng(4)
    scenes = [sample_scene(rng, draw="even") for _ in range(4000)]
    cells, _, _ = np.histogram2d(*zip(*(s.emotion for s in scenes)), bins=6, range=[[-3, 3]] * 2)
    assert cells.min() >= 4000 / 36 / 2
    assert all(scene.even for scene in scenes)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_named_tells_nothing_of_what_is_left_to_chance(family):
    """Given one named level, the others keep the odds of the table: mean and variance."""
    rng = np.random.default_rng(5)
    scenes = [sample_scene(rng, draw="chance") for _ in range(6000)]
    free = [scene for scene in scenes if family not in scene.pinned]
    levels = FAMILIES[family]
    shares = np.array([np.mean([s.cue(family) == level.name for s in free]) for level in levels])
    np.testing.assert_allclose(shares, chances(levels), atol=0.03)
    others = [other for other in FAMILIES if other != family]
    for other in others:
        named = [s for s in free if other in s.pinned and not find_cue(other, s.cue(other)).neutral]
        plain = np.mean([s.cue(family) == levels[0].name for s in named])
        assert plain == pytest.approx(chances(levels)[0], abs=0.06)
    pinned = [scene.cue(family) for scene in scenes if family in scene.pinned]
    even = [pinned.count(level.name) / len(pinned) for level in levels]
    np.testing.assert_allclose(even, 1 / len(levels), atol=0.03)


def test_held_out_pairs_are_a_tenth_and_never_drawn_for_training():
    pairs = {pair for pair in product(PLACES, SUBJECTS) if held_out(*pair)}
    assert 0.05 <= len(pairs) / (len(PLACES) * len(SUBJECTS)) <= 0.15
    rng = np.random.default_rng(1)
    for split, wanted in (("train", False), ("held_out", True)):
        seen = {(s.place, s.subject) for s in (sample_scene(rng, split=split) for _ in range(1500))}
        assert all((pair in pairs) is wanted for pair in seen)
        assert {subject for _, subject in seen} == set(SUBJECTS)


@settings(max_examples=15)
@given(SEEDS)
def test_a_scene_is_always_the_same_picture_and_leaves_global_randomness_alone(seed):
    scene = scene_of(seed)
    np.random.seed(7)
    first = render(scene, 96)
    untouched = np.random.random()
    render(scene_of(seed + 1), 64)
    assert np.array_equal(first, render(scene, 96))
    assert (first.shape, first.dtype) == ((96, 96, 3), np.uint8)
    np.random.seed(7)
    assert np.random.random() == untouched


def test_a_layer_lies_in_one_of_few_ways_whatever_the_seed():
    cues = ("starry", "even", "natural", "still", "none", "plain")
    scenes = [Scene("city", "boat", cues, seed) for seed in range(120)]
    pictures = {render(scene, 32).tobytes() for scene in scenes}
    assert LAYOUTS < len(pictures) <= LAYOUTS**2  # only place and sky show here
    assert len(LAYERS) == 5


@pytest.mark.parametrize("weather", ["mist", "rain", "snow", "confetti"])
def test_a_subject_stays_recognisable_under_what_covers_it(weather):
    for seed in range(6):
        scene = with_cue(with_cue(scene_of(seed), "weather", weather), "palette", "natural")
        other = Scene(scene.place, "fish", scene.cues, scene.seed)
        scene = Scene(scene.place, "bear", scene.cues, scene.seed)
        covered = subject_mask(scene, 64) > 0.5
        difference = np.abs(render(scene, 64).astype(float) - render(other, 64).astype(float))
        assert 0.08 < covered.mean() < 0.5
        assert difference[covered].mean() > 20


def test_another_process_draws_the_same_bytes():
    script = (
        "import hashlib, numpy as np\n"
        "from training.world.render import render\n"
        "from training.world.scene import sample_scene\n"
        "rng = np.random.default_rng(3)\n"
        "scenes = [sample_scene(rng) for _ in range(8)]\n"
        "print(hashlib.sha256(b''.join(render(s, 64).tobytes() for s in scenes)).hexdigest())"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(answers) == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("content", [("sea", "boat"), ("forest", "cat"), ("snowfield", "horse")])
def test_any_two_levels_of_a_family_look_different(family, content):
    plain = Scene(*content, NEUTRAL_CUES, 11)
    for one, other in combinations(FAMILIES[family], 2):
        share = visible_share(
            with_cue(plain, family, one.name), with_cue(plain, family, other.name)
        )
        assert share >= 0.04, (one.name, other.name)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cue_stays_visible_among_other_cues(family):
    shares = []
    for seed in range(12):
        scene = scene_of(seed)
        levels = FAMILIES[family]
        if scene.cue(family) == levels[0].name:
            scene = with_cue(scene, family, levels[1 + seed % (len(levels) - 1)].name)
        shares.append(visible_share(scene, with_cue(scene, family, levels[0].name)))
    assert min(shares) >= 0.015
    assert np.median(shares) >= 0.06


def test_places_and_subjects_look_different():
    for place in PLACES[1:]:
        assert (
            visible_share(
                Scene(PLACES[0], "dog", NEUTRAL_CUES, 2), Scene(place, "dog", NEUTRAL_CUES, 2)
            )
            > 0.3
        )
    for one, other in combinations(SUBJECTS, 2):
        assert (
            visible_share(
                Scene("lake", one, NEUTRAL_CUES, 2), Scene("lake", other, NEUTRAL_CUES, 2)
            )
            > 0.08
        )


def test_a_scene_refuses_what_the_world_does_not_have():
    with pytest.raises(ValueError, match="place is 'moon'.*sea"):
        Scene("moon", "boat", NEUTRAL_CUES, 0)
    with pytest.raises(ValueError, match="subject is 'ship'.*boat"):
        Scene("sea", "ship", NEUTRAL_CUES, 0)
    with pytest.raises(ValueError, match="no cue 'hail'.*rain"):
        total_effect((*NEUTRAL_CUES[:3], "hail", *NEUTRAL_CUES[4:]))


def test_without_skia_the_error_names_the_way_out():
    script = "import sys; sys.modules['skia'] = None; import training.world.render"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "MissingDependencyError" in run.stderr
    assert "pip install -e .[train]" in run.stderr
    assert "apt-get install libegl1 libgl1" in run.stderr


def test_the_documented_cue_table_is_the_one_in_use():
    page = (ROOT / "docs" / "drawn-world.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.count("|") == 6]
    expected = [
        f"| {level.family} | {level.label} | {level.valence:+.1f} | {level.arousal:+.1f} "
        f"| {level.source} |"
        for levels in FAMILIES.values()
        for level in levels[1:]
    ]
    assert [row for row in rows if row.split("|")[1].strip() in FAMILIES] == expected
    content = [
        f"| {kind} | {name} | {valence:+.2f} | {arousal:+.2f} "
        for kind, effects in (("place", PLACE_EFFECTS), ("subject", SUBJECT_EFFECTS))
        for name, (valence, arousal) in effects.items()
    ]
    told = [row for row in rows if row.split("|")[1].strip() in ("place", "subject")]
    assert len(told) == len(content)
    assert all(row.startswith(start) for row, start in zip(told, content, strict=True))
