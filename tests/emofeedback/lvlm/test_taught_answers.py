"""Answers as models are taught to write them: what is written comes back, nothing is invented."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from emofeedback.errors import ScorerAnswerError
from emofeedback.lvlm.answers import read_reasoned, read_rewrite
from emofeedback.lvlm.taught_answers import write_reasoned, write_rewrite
from emofeedback.records.reading import Cue
from emofeedback.records.refinement import Suggestion
from emofeedback.refining.cues import FAMILIES, direction
from emofeedback.refining.lvlm import signed

DIGITS = st.integers(1, 9)
LEVELS = st.sampled_from([level for levels in FAMILIES.values() for level in levels[1:]])
PLAIN = st.text("abc äé,;:!", min_size=1, max_size=12).map(lambda t: " ".join(("a" + t).split()))
SUGGESTIONS = st.lists(st.builds(Suggestion, PLAIN, PLAIN, PLAIN), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = ("valence", "arousal", "words", "cues", "suggestions", "clause")


@given(DIGITS, DIGITS, st.lists(PLAIN, max_size=3), st.lists(LEVELS, max_size=6))
def test_a_written_explanation_is_read_back_whole(valence, arousal, words, levels):
    cues = [Cue(level.label, direction(level.valence, level.arousal)) for level in levels]
    read = read_reasoned("Let me see. " + write_reasoned((valence, arousal), words, cues))
    assert (read.valence, read.arousal) == (valence, arousal)
    assert read.words == tuple(words)
    assert read.cues == tuple(cues)


@given(SUGGESTIONS, PLAIN)
def test_a_written_refinement_is_read_back_whole(suggestions, clause):
    read = read_rewrite(write_rewrite(suggestions, clause) + " I hope this helps.")
    assert read.suggestions == tuple(suggestions)
    assert read.clause == clause


@given(st.text() | st.dictionaries(st.sampled_from(KEYS), JSON).map(json.dumps))
def test_any_text_gives_a_rewrite_or_the_typed_error(text):
    with contextlib.suppress(ScorerAnswerError):
        read_rewrite(text)


def test_directions_and_changes_are_spelled_with_their_signs():
    assert direction(-0.7, 0.7) == "lowers valence, raises arousal"
    assert direction(0.1, -0.8) == "lowers arousal"
    assert [signed(value) for value in (1.24, -0.04, 0, -3)] == ["+1.2", "+0.0", "+0.0", "-3.0"]
