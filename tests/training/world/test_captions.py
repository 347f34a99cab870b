"""What captions and prompts of the drawn world say, and what people may type."""

import json
import re
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emofeedback.refining.cues import FAMILIES, find_cue
from training.world.captions import (
    MAX_WORDS,
    VOCABULARY,
    caption,
    neutral_prompt,
    spoken_families,
    words_of,
)
from training.world.scene import Scene, sample_scene
from training.world.vocabulary import (
    MOOD_WORDS,
    PLACE_FORMS,
    PLACE_PHRASES,
    SUBJECT_FORMS,
    SUBJECT_PHRASES,
)

ROOT = Path(__file__).parents[3]
PROMPTED = ("EmoFB_StartLoop", "EmoFB_EmotionFeedback", "EmoFB_EncodeEmotion")
SEEDS = st.integers(0, 2**31 - 1)


def scene_of(seed: int) -> Scene:
    return sample_scene(np.random.default_rng(seed), split="any")


def named_by(text: str, phrases: tuple[str, ...]) -> bool:
    """Whether all words of one of the phrases but its article stand in the text."""
    words = set(words_of(text))
    return any(set(words_of(p)) - {"a", "an", "the", "one"} <= words for p in phrases)


@given(SEEDS, st.sets(st.sampled_from(tuple(FAMILIES))) | st.none())
def test_captions_name_subject_place_and_exactly_the_wanted_cues(seed, families):
    scene = scene_of(seed)
    text = caption(scene, np.random.default_rng(seed), families=families)
    assert named_by(text, SUBJECT_PHRASES[scene.subject] + SUBJECT_FORMS[scene.subject])
    assert named_by(text, PLACE_PHRASES[scene.place] + PLACE_FORMS[scene.place])
    plain = f" {' '.join(words_of(text))} "
    for family, levels in FAMILIES.items():
        cue = find_cue(family, scene.cue(family))
        wanted = families is None or family in families
        said = {
            level.name
            for level in levels
            for p in (*level.phrases, *level.also)
            if f" {p} " in plain
        }
        assert said == ({cue.name} if wanted else set())


@given(SEEDS)
def test_captions_and_prompts_keep_to_the_vocabulary_and_the_length(seed):
    rng = np.random.default_rng(seed)
    scene = scene_of(seed)
    for text in (caption(scene, rng), neutral_prompt(scene, rng)):
        assert text == text.lower()
        assert len(words_of(text)) <= MAX_WORDS
        assert set(words_of(text)) <= set(VOCABULARY)


@given(SEEDS)
def test_neutral_prompts_hold_no_cue(seed):
    text = neutral_prompt(scene_of(seed), np.random.default_rng(seed))
    assert not [
        p for levels in FAMILIES.values() for level in levels for p in level.phrases if p in text
    ]


def test_what_the_shipped_graphs_tell_people_to_type_is_known():
    texts = []
    for path in sorted((ROOT / "workflows").glob("*.json")):
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
        if not any(node["type"] == "EmoFB_LoadEmbedded" for node in nodes):
            continue
        for node in nodes:
            values = [v for v in node.get("widgets_values") or [] if isinstance(v, str)]
            if node["type"] in PROMPTED:
                texts.append(max(values, key=len))
            if node["type"] == "MarkdownNote":
                texts += re.findall(r"draw a small world: ([^.]*)\.", values[0])
    assert len(texts) >= 5
    assert {word for text in texts for word in words_of(text)} <= set(VOCABULARY)


def test_the_page_lists_what_can_be_typed():
    page = (ROOT / "docs" / "drawn-world.md").read_text(encoding="utf-8")
    cues = [p for levels in FAMILIES.values() for e in levels for p in (*e.phrases, *e.also)]
    moods = [word for octant in MOOD_WORDS for word in octant]
    forms = (PLACE_PHRASES, PLACE_FORMS, SUBJECT_PHRASES, SUBJECT_FORMS)
    typed = [p for named in forms for phrases in named.values() for p in phrases]
    plain = page.split("## Words")[1].split("## Commands")[0]
    listed = {bare(each) for each in re.split(r"[,|]", plain)}
    assert {bare(each) for each in (*cues, *moods, *typed)} <= listed


def bare(phrase: str) -> str:
    return re.sub(r"^(a|an|the|one) ", "", phrase.strip())


def test_the_vocabulary_is_small_sorted_and_unique():
    assert list(VOCABULARY) == sorted(set(VOCABULARY))
    assert len(VOCABULARY) < 450


@given(SEEDS)
def test_a_caption_by_draw_names_what_is_pinned(seed):
    scene, rng = scene_of(seed), np.random.default_rng(seed)
    assert set(scene.pinned) <= set(spoken_families(scene, rng))
