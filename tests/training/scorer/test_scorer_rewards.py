"""Rewards of written answers: what can be read counts, what cannot is worth nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofeedback.errors import ScorerAnswerError
from training.scorer.rewards import (
    agreement_reward,
    category_reward,
    cue_reward,
    expected_reward,
    format_reward,
    read_answer,
)

JSON = '{"valence": 7, "arousal": 3, "cues": [{"name": "Warm light"}, {"name": "fog"}]}'
TRUTH = {"valence": [1.5], "arousal": [-1.5]}


@pytest.mark.parametrize(
    "text", ["73", " 7, 3 ", JSON, f"<think>warm</think><answer>{JSON}</answer>", f"It is {JSON}."]
)
def test_all_asked_forms_say_the_same(text: str) -> None:
    found = read_answer(text).emotion
    assert (found.valence, found.arousal) == (1.5, -1.5)
    assert agreement_reward(form="continuous")([text], **TRUTH) == [1.0]
    assert format_reward([[{"role": "assistant", "content": text}]]) == [1.0]


def test_continuous_reward_keeps_a_slope_where_the_threshold_form_is_flat() -> None:
    truth = {"valence": [1.5 + 0.3], "arousal": [-1.5 + 0.6]}
    assert agreement_reward(form="threshold")(["73"], **truth) == [0.5]
    wanted = (math.exp(-0.09 / 2) + math.exp(-0.36 / 2)) / 2
    assert agreement_reward(form="continuous")(["73"], **truth) == [pytest.approx(wanted)]


def test_an_expected_reward_pays_what_an_answer_adds_to_the_mean_of_its_group() -> None:
    reward = expected_reward(group=3)
    # 5 is 0 on [-3, 3] and a step is 0.75: means 0.75 of 6, 7, 5 are right for 0.75
    truth = {"valence": [0.75] * 3, "arousal": [0.0] * 3}
    assert reward(["65", "75", "55"], **truth) == pytest.approx([0.0, 9 / 16, 9 / 16])
    # everyone too low: the highest answer helps, the lowest harms, an unreadable one does nothing
    low = {"valence": [3.0] * 3, "arousal": [0.0] * 3}
    assert reward(["35", "55", "no"], **low) == pytest.approx([-0.75, 0.75, 0.0])
    assert reward(["35", "no", "no"], **low) == [0.0] * 3


def test_category_is_the_word_that_was_said_or_the_sector_of_what_was_said() -> None:
    assert category_reward(["73"], ["relaxation"]) == [1.0]
    said = '{"valence": 7, "arousal": 3, "category": "Distress"}'
    assert category_reward([said, said], ["relaxation", "distress"]) == [0.0, 1.0]


def test_cues_count_by_f1_and_only_where_they_were_asked() -> None:
    assert cue_reward([JSON], [["warm light", "storm sky"]]) == [0.5]
    assert cue_reward([JSON, "73", "no"], [["fog"], ["fog"], ["fog"]]) == [
        pytest.approx(2 / 3), None, 0.0,
    ]  # fmt: skip


@given(st.text(max_size=60))
def test_no_text_is_an_accident(text: str) -> None:
    rewards = agreement_reward(form="continuous")([text], **TRUTH)
    try:
        read_answer(text)
    except ScorerAnswerError:
        assert rewards == [0.0] == format_reward([text])
    else:
        assert 0 <= rewards[0] <= 1


@pytest.mark.parametrize("text", ["", "0 5", '{"valence": 12, "arousal": 3}', '{"valence": 3}'])
def test_unreadable_answers_are_refused(text: str) -> None:
    with pytest.raises(ScorerAnswerError):
        read_answer(text)
    assert category_reward([text], ["relaxation"]) == [0.0]
