"""The refiner of any vision-language model: sized changes, no repeats, the artist's words kept."""

import json
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.errors import ConfigError
from emofeedback.lvlm.base import PROMPT_SETS, Written
from emofeedback.reading.pair import DISAGREEMENT, joined
from emofeedback.records.emotion import Emotion, Gap
from emofeedback.records.reading import Reading
from emofeedback.records.request import (
    RefineRequest,
)
from emofeedback.refining.base import (
    Refiner,
)
from emofeedback.refining.lvlm import (
    CHANGE_SIZES,
    LvlmRefiner,
    change_in_words,
    change_size,
    history_in_words,
    vain_phrases,
)

GERMAN = "Ein Boot auf dem Meer"
TARGET, NEUTRAL = Emotion(2, -2), Emotion(0, 0)


class Scribe:
    """A model behind the protocol that writes given texts and remembers its questions."""

    name, prompts = "scribe", PROMPT_SETS["viewer_v1"]

    def __init__(self, *texts: str) -> None:
        self.left, self.questions, self.seeds = list(texts), [], []

    def write(self, asks, watch):
        self.questions += [ask.question for ask in asks]
        self.seeds += [ask.seed for ask in asks]
        return [Written(self.left.pop(0), 7) for _ in asks]

    def release(self) -> None:
        self.released = True


def answer(clause: str) -> str:
    told = [{"text": "do it", "cue": "it", "reason": "calms"}]
    return json.dumps({"suggestions": told, "clause": clause}, ensure_ascii=False)


def asked(
    reading: Emotion = NEUTRAL,
    *,
    prompt: str = GERMAN,
    history: tuple = (),
    artist: str = GERMAN,
) -> RefineRequest:
    return RefineRequest(
        artist_prompt=artist,
        prompt=prompt,
        images=torch.zeros(2, 16, 16, 3),
        readings=(Reading(emotion=reading), Reading(emotion=Emotion(-3, 3))),
        target=TARGET,
        best=0,
        history=history,
    )


def past(clause: str, size: float) -> SimpleNamespace:
    return SimpleNamespace(prompt=f"{GERMAN}, {clause}" if clause else GERMAN, gap=Gap(size, 0))


def test_the_artists_words_stay_in_their_language_and_the_clause_follows():
    scribe = Scribe(answer("weiches Morgenlicht, stilles Wasser"))
    refiner = LvlmRefiner(scribe)
    assert isinstance(refiner, Refiner)
    refined = refiner.refine(asked())
    assert refined.prompt == f"{GERMAN}, weiches Morgenlicht, stilles Wasser"
    assert (refined.refiner, refined.tokens, refined.suggestions[0].reason) == (
        "scribe",
        7,
        "calms",
    )
    assert scribe.released
    (question,) = scribe.questions
    for part in (GERMAN, "much more pleasant (+2.0)", "much calmer (-2.0)", "calm"):
        assert part in question


@pytest.mark.parametrize(
    ("reading", "new"),
    [(Emotion(1.8, -1.8), 1), (Emotion(1, -1.5), 2), (Emotion(0, -1), 3), (Emotion(-2, 1), 5)],
)
def test_the_change_is_as_large_as_the_gap(reading, new):
    scribe = Scribe(answer("mist, dawn, calm water, pale sky, gulls, distant hills, still air"))
    clause = LvlmRefiner(scribe).refine(asked(reading)).clause
    assert len(clause.split(", ")) == new
    assert change_size(TARGET.gap_from(reading)).words in scribe.questions[0]


def test_phrases_in_use_do_not_count_as_change():
    request = asked(Emotion(1.8, -1.8), prompt=f"{GERMAN}, mist, dawn")
    clause = LvlmRefiner(Scribe(answer("mist, dawn, gulls, rain"))).refine(request).clause
    assert clause == "mist, dawn, gulls"


HISTORY = (past("", 3.0), past("storm sky", 3.4), past("mist", 2.0))


def test_what_did_not_help_is_told_and_never_tried_again():
    request = asked(Emotion(0, -1.4), prompt=f"{GERMAN}, mist, dawn", history=HISTORY)
    assert vain_phrases(request) == {"storm sky", "dawn"}  # mist helped: 3.4 to 2.0
    told = history_in_words(request)
    assert '"storm sky": gap 3.0 to 3.4, not nearer' in told
    assert '"mist": gap 3.4 to 2.0, nearer' in told
    scribe = Scribe(answer("Storm sky, DAWN"), answer("mist, gulls"))
    refined = LvlmRefiner(scribe).refine(request)
    assert refined.clause == "mist, gulls"
    assert told in scribe.questions[0]
    assert "nothing that is new" in scribe.questions[1]
    assert scribe.seeds == [None, 4]


def test_twice_unusable_lets_the_rules_speak_and_says_so():
    refined = LvlmRefiner(Scribe("Sorry,", "I can't")).refine(asked())
    assert refined.prompt.startswith(GERMAN) and refined.clause
    assert refined.refiner == "rules (for scribe)"
    assert any("I can't" in warning for warning in refined.warnings)


@settings(max_examples=40)
@given(st.integers(20, 60), st.integers(1, 60), st.lists(st.text("abc ", max_size=9), max_size=30))
def test_the_whole_prompt_keeps_to_the_budget(budget, words, phrases):
    artist = " ".join(["word"] * words)
    scribe = Scribe(*[answer(", ".join(phrases))] * 2)
    prompt = LvlmRefiner(scribe, token_budget=budget).refine(asked(artist=artist, prompt=artist))
    if prompt.refiner == "scribe":
        assert len(prompt.prompt.split()) <= max(words, budget / 1.4)
    assert prompt.prompt.startswith(artist)


def test_markup_and_what_the_artist_said_do_not_enter_the_clause():
    scribe = Scribe(answer("(mist:1.9), embedding:evil, auf dem Meer, {a|b}"))
    assert LvlmRefiner(scribe).refine(asked()).clause == "mist:1.9, evil, ab"


def test_several_rewrites_come_from_one_answer():
    rewrites = {"rewrites": [{"clause": "mist"}, {"clause": "dawn"}, {"clause": "mist"}]}
    scribe = Scribe(json.dumps(rewrites))
    made = LvlmRefiner(scribe).refine_several(asked(), 4)
    assert [each.clause for each in made] == ["mist", "dawn"]
    assert "Write 4 rewrites" in scribe.questions[0]
    assert [each.tokens for each in made] == [7, 0]


def test_an_empty_prompt_is_refused():
    with pytest.raises(ConfigError, match="prompt is ''"):
        LvlmRefiner(Scribe()).refine(asked(artist=""))


def test_changes_are_told_in_words_and_sizes_grow():
    assert change_in_words(Gap(0.4, -2.5)) == "a little more pleasant (+0.4), much calmer (-2.5)"
    assert change_in_words(Gap(0.1, 0.0)) == "hardly any; keep what works"
    assert [size.phrases for size in CHANGE_SIZES] == sorted(s.phrases for s in CHANGE_SIZES)


def test_two_readings_join_into_their_mean_and_say_when_they_disagree():
    first = Reading(emotion=Emotion(2, 0), uncertainty=(0.3, 0.4), model="a", content=0.4)
    near = Reading(emotion=Emotion(1.5, 0), uncertainty=(0.5, 0.4), model="b", content=0.8)
    both = joined(first, near, model="a and b")
    assert (
        both.emotion == Emotion(1.75, 0)
        and both.warnings == ()
        and both.content == pytest.approx(0.6)
    )
    assert both.uncertainty == pytest.approx(((0.17 + 0.0625) ** 0.5, 0.4))
    far = Reading(emotion=Emotion(2 - DISAGREEMENT - 0.1, 0), model="b")
    (warning,) = joined(first, far, model="a and b").warnings
    assert (
        "disagree by 1.1: a reads valence +2.00" in warning and "b reads valence +0.90" in warning
    )
