"""The embedded model's JSON answers: what is written comes back, and nothing is ever invented."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofeedback.embedded.answers import (
    direction,
    read_explanation,
    read_refinement,
    signed,
    write_explanation,
    write_refinement,
)
from emofeedback.errors import ScorerAnswerError
from emofeedback.records.refinement import Suggestion
from emofeedback.refining.cues import FAMILIES

DIGITS = st.integers(1, 9)
LEVELS = st.sampled_from([level for levels in FAMILIES.values() for level in levels[1:]])
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))).map(str.strip)
SUGGESTIONS = st.lists(st.builds(Suggestion, PLAIN, PLAIN, PLAIN), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = ("valence", "arousal", "words", "cues", "suggestions", "clause")


@given(DIGITS, DIGITS, st.lists(PLAIN, max_size=3), st.lists(LEVELS, max_size=6))
def test_a_written_explanation_is_read_back_whole(valence, arousal, words, levels):
    read = read_explanation("Let me see. " + write_explanation((valence, arousal), words, levels))
    assert (read.valence_digit, read.arousal_digit) == (valence, arousal)
    assert read.words == tuple(words)
    assert [cue.name for cue in read.cues] == [level.label for level in levels]


@given(SUGGESTIONS, PLAIN)
def test_a_written_refinement_is_read_back_whole(suggestions, clause):
    read = read_refinement(write_refinement(suggestions, clause) + " I hope this helps.")
    assert read.suggestions == tuple(suggestions)
    assert read.clause == clause


@given(st.text())
def test_any_text_gives_a_reading_or_the_typed_error(text):
    for read in (read_explanation, read_refinement):
        with contextlib.suppress(ScorerAnswerError):
            read(text)


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_gives_a_reading_of_its_own_values_or_the_typed_error(record):
    text = json.dumps(record)
    with contextlib.suppress(ScorerAnswerError):
        read = read_explanation(text)
        assert (read.valence_digit, read.arousal_digit) == (record["valence"], record["arousal"])
    with contextlib.suppress(ScorerAnswerError):
        assert read_refinement(text).clause == record["clause"].strip()


@given(DIGITS, st.integers(1, 60))
def test_a_cut_off_answer_is_refused(digit, lost):
    whole = write_explanation((digit, digit), ["calm"], [FAMILIES["sky"][1]])
    with pytest.raises(ScorerAnswerError):
        read_explanation(whole[:-lost])


@pytest.mark.parametrize("valence", [0, 10, 4.5, "4", True, None, float("nan")])
def test_a_rating_that_is_no_digit_is_refused_with_its_value(valence):
    text = json.dumps({"valence": valence, "arousal": 5, "words": [], "cues": []})
    with pytest.raises(ScorerAnswerError, match=r"valence, not a whole number from 1 to 9"):
        read_explanation(text)


def test_directions_and_changes_are_spelled_with_their_signs():
    assert direction(-0.7, 0.7) == "lowers valence, raises arousal"
    assert direction(0.1, -0.8) == "lowers arousal"
    assert [signed(value) for value in (1.24, -0.04, 0, -3)] == ["+1.2", "+0.0", "+0.0", "-3.0"]
