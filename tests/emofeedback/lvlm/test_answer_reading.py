"""Reasoned answers: what is written well is read whole; what is not is repaired or refused."""

import contextlib
import json
import re
import time
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emofeedback.errors import ScorerAnswerError
from emofeedback.lvlm.answers import ask_twice, read_reasoned, read_rewrites
from emofeedback.lvlm.base import Written
from emofeedback.lvlm.ratings import plain_rating

# Together 20,000 malformed answers; nine tenths of them damaged forms of a whole one, a score of
# each: to damage an answer is quicker than to draw one.
ANYTHING = settings(
    max_examples=2_000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
FORMS = 20
DAMAGED = settings(ANYTHING, max_examples=18_000 // FORMS)

WORDS = st.text("abc äé,;:'!{}[]\n", max_size=12)
RATINGS = st.integers(1, 9)
SCRAPS = ("{", "}", "[", "]", '"', "'", ",", ":", "\n", "```json", "<think>", "</think>", "null",
          "NaN", "1e999", "-3", "0", "10", "true", "7/10", "９", "\\",
          "\x00", "Sorry, ")  # fmt: skip
ANSWER = st.builds(
    lambda v, a, words, thought: (
        f"<think>{thought}</think>"
        + json.dumps({"scale": "1-9", "valence": v, "arousal": a, "words": words, "cues": []})
    ),
    RATINGS,
    RATINGS,
    st.lists(WORDS, max_size=2),
    WORDS,
)


def damaged(text: str, chance: Random) -> str:
    """The answer cut, spiced with scraps, or robbed of characters, once to four times."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(text))
        match chance.choice(["cut", "scrap", "rob", "twice"]):
            case "cut":
                text = text[:at]
            case "scrap":
                text = text[:at] + chance.choice(SCRAPS) + text[at:]
            case "rob":
                text = text[:at] + text[at + chance.randint(1, 3) :]
            case "twice":
                text = text + text[at:]
    return text


def check(text: str) -> None:
    """A reading in range whose numbers stand in the text, or the typed failure; nothing else."""
    try:
        answer = read_reasoned(text)
    except ScorerAnswerError:
        return
    written = {float(n.replace(",", ".")) for n in re.findall(r"\d+(?:[.,]\d*)?", text) if n}
    for rating in (answer.valence, answer.arousal):
        assert 1 <= rating <= 9  # False for NaN too
        assert rating in written


@DAMAGED
@given(ANSWER, st.integers(0, 2**32))
def test_damaged_answers_give_their_own_numbers_or_the_typed_failure(text, seed):
    chance = Random(seed)
    for _ in range(FORMS):
        check(damaged(text, chance))


@ANYTHING
@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from((*SCRAPS, "valence", "arousal", "5"))).map("".join)
)
def test_any_text_gives_a_reading_of_its_own_or_the_typed_failure(text):
    check(text)
    with contextlib.suppress(ScorerAnswerError):
        assert all(rewrite.clause for rewrite in read_rewrites(text))


@settings(max_examples=500, deadline=None)
@given(RATINGS, RATINGS, st.data())
def test_a_cut_off_answer_is_never_read_as_another_number(valence, arousal, data):
    whole = json.dumps({"valence": valence, "arousal": arousal})
    text = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        answer = read_reasoned(text)
    except ScorerAnswerError:
        return
    assert (answer.valence, answer.arousal) == (valence, arousal)


@settings(deadline=None)
@given(ANSWER)
def test_a_whole_answer_is_read_whole(text):
    record = json.loads(text.split("</think>")[-1])
    answer = read_reasoned(text)
    assert (answer.valence, answer.arousal) == (record["valence"], record["arousal"])


CLOSE = {
    "fences and talk": 'Here it is:\n```json\n{"valence": 6, "arousal": 7}\n```\nHope it helps',
    "single quotes, trailing comma": "{'valence': 6, 'arousal': 7,}",
    "encoded twice": '"{\\"valence\\": 6, \\"arousal\\": 7}"',
    "keys in capitals": '{"Valence": 6, "AROUSAL": 7}',
    "an opened thought by the template": 'storm, so 2.</think>{"valence": 6, "arousal": 7}',
    "a thought with a draft": '<think>{"valence": 1}?</think>{"valence": 6, "arousal": 7}',
    "twice the same": '{"valence": 6, "arousal": 7} so: {"valence": 6, "arousal": 7}',
    "cues as plain words": '{"valence": 6, "arousal": 7, "cues": ["storm sky"], "words": "calm"}',
}


@pytest.mark.parametrize("name", CLOSE)
def test_close_to_the_format_is_close_enough(name):
    answer = read_reasoned(CLOSE[name])
    assert (answer.valence, answer.arousal) == (6, 7)


REFUSED = {
    "a refusal": ("I'm sorry, but I can't rate feelings.", r"I'm sorry.*no JSON object"),
    "another scale, said": ('{"scale": "0-100", "valence": 6, "arousal": 7}', "scale '0-100'"),
    "no closing brace": ('{"valence": 6, "arousal": 7, "words": ["calm"', "breaks off"),
    "parts of a scale": ('{"valence": "6/9", "arousal": "7 out of 9"}', "'6/9' for valence"),
    "two that differ": ('{"valence": 1, "arousal": 1} no: {"valence": 6, "arousal": 7}', "differ"),
    "a decimal": ('{"valence": 6.5, "arousal": 7}', "'6.5' for valence"),
    "a decimal comma": ('{"valence": 6,5, "arousal": 7}', "'6,5' for valence"),
    "a minus that is none": ('{"valence": \u22123, "arousal": 7}', "'\u22123' for valence"),
    "a range": ('{"valence": 3~7, "arousal": 7}', "'3~7' for valence"),
    "a share": ('{"valence": 8%, "arousal": 7}', "'8%' for valence"),
    "a power": ('{"valence": 7\u00b2, "arousal": 7}', "'7\u00b2' for valence"),
    "an unfinished thought": ('<think>{"valence": 6, "arousal": 7}', "still thinking"),
    "what breaks the repair": ("{\"```json{```'", "no JSON object"),
    "another scale, seen": ('{"valence": 65, "arousal": 7}', "'65' for valence, outside"),
    "a signed scale": ('{"valence": -2, "arousal": 1}', "'-2' for valence, outside"),
    "ten": ('{"valence": "7/10", "arousal": 7}', "'7/10' for valence, not a number|7/10"),
    "words": ('{"valence": "hoch", "arousal": "niedrig"}', "hoch for valence|'hoch'"),
    "another language": ('{"Valenz": 6, "Erregung": 7}', "no JSON object with valence and arousal"),
    "nothing": ("", "no JSON object"),
    "true": ('{"valence": true, "arousal": 7}', "not a number"),
    "one axis": ('{"valence": 6}', "no JSON object with valence and arousal"),
    "deep": ("[" * 5000 + "{" * 5000, "no JSON object"),
    "tangled": ('0{"```json-3```json', "no JSON object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_understood_is_refused_with_its_beginning(name):
    text, message = REFUSED[name]
    with pytest.raises(ScorerAnswerError, match=message):
        read_reasoned(text)


def test_everything_told_is_kept():
    told = {"scale": "1-9", "valence": 2, "arousal": 8, "words": ["fear"], "rationale": "dark",
            "cues": [{"name": "storm", "direction": "lowers valence", "where": "sky"}]}  # fmt: skip
    answer = read_reasoned(f"<think>Trigger:\n a storm</think>{json.dumps(told)}")
    (cue,) = answer.cues
    assert (cue.name, cue.direction, cue.where) == ("storm", "lowers valence", "sky")
    assert (answer.words, answer.rationale) == (("fear",), "dark")
    assert answer.thought == "Trigger: a storm"


def test_rewrites_are_read_one_or_several():
    one = read_rewrites('{"suggestions": [{"text": "rain", "cue": "rain"}], "clause": "in rain"}')
    assert [(r.clause, r.suggestions[0].text) for r in one] == [("in rain", "rain")]
    several = read_rewrites('{"rewrites": [{"clause": "a"}, {"clause": ""}, 7, {"clause": "b"}]}')
    assert [rewrite.clause for rewrite in several] == ["a", "b"]
    with pytest.raises(ScorerAnswerError, match="no clause"):
        read_rewrites('{"clause": "", "suggestions": []}')


def test_half_a_character_of_a_model_reaches_no_prompt():
    (told,) = read_rewrites(r'{"clause": "in mist \ud83d", "suggestions": ["a \udc00 moon"]}')
    assert (told.clause, told.suggestions[0].text) == ("in mist ?", "a ? moon")


def test_an_unreadable_answer_is_asked_for_once_more_with_what_was_wrong():
    asked = []

    def ask(problem):
        asked.append(problem)
        return Written('{"valence": 6, "arousal": 7}' if len(asked) == 2 else "Well,", 1)

    answer, text, problem = ask_twice(ask, read_reasoned)
    assert (answer.valence, problem) == (6, "") and "arousal" in text
    assert asked[0] == "" and "'Well,'" in asked[1]
    answer, text, problem = ask_twice(lambda _: Written("no", 1), read_reasoned)
    assert answer is None and text == "no" and "no JSON object" in problem
    cut = Written('{"valence": 6, "arousal": 7}', 1, unfinished="and was cut off there")
    answer, _, problem = ask_twice(lambda _: cut, read_reasoned)
    assert answer is None and "was cut off there" in problem


@pytest.mark.parametrize("piece", ["<think>", '{"', "{", "[", " ", '{"a":[', "valence:", "\\"])
@pytest.mark.parametrize("read", [read_reasoned, read_rewrites, plain_rating])
def test_a_megabyte_of_anything_is_answered_in_a_fifth_of_a_second(piece, read):
    for count in (10_000 // len(piece), 1_000_000 // len(piece)):
        started = time.process_time()
        with contextlib.suppress(ScorerAnswerError):
            assert read('{"valence": 5, "arousal": 4, "x": "' + piece * count) is None
        with contextlib.suppress(ScorerAnswerError):
            assert read(piece * count) is None
        assert time.process_time() - started < 0.4  # for both


PLAIN = ["7, 3", "7,3", "7 3", "7;3", "7\uff0c3", "7\n3", "Valence: 7, Arousal: 3",
         "**valence:** 7\n**AROUSAL:** 3", "**7, 3**", "Valence 7; arousal 3.",
         "<|begin_of_box|>7, 3<|end_of_box|>", "<think>\n\n</think>\n\n7,3",
         "so 1 or 2</think>7, 3"]  # fmt: skip
NONE = ["", "57", "7, 3, 9", "0, 3", "70, 30", "On a scale of 1-9,", "between 2 and 4", "1. 7",
        "-2, -1", "7/9", "I'd say 7 out of 9", "Valence: 6.5,", "7, -3", "+7, 3", "7.5, 3", "7-3",
        "7%, 3%", "7\u00b2 3", "\uff17, 3", "<think>7, 3", "Arousal: 3, Valence: 7", "7, 3?",
        "<digit>, <digit>", '"7, 3"', "about 7, 3", "7, 3 </think>"]  # fmt: skip


def test_two_digits_are_a_rating_as_a_whole_or_not_at_all():
    assert [plain_rating(text) for text in PLAIN] == [(7, 3)] * len(PLAIN)
    assert [text for text in NONE if plain_rating(text)] == []
    assert plain_rating("57", adjoining=True) == (5, 7)
