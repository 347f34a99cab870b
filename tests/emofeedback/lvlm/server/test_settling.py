"""Wishes are settled for each server by trying, and a round is read in one way."""

import json

import pytest
import torch
from chat_replies import rated, reply

from emofeedback.errors import ScorerAnswerError, ScorerError
from emofeedback.lvlm.base import Ask, unwatched
from emofeedback.lvlm.server.endpoint import NO_LOGPROBS, NO_SCHEMA, EndpointLvlm, open_endpoint

PICTURES = torch.rand(4, 8, 8, 3, generator=torch.Generator().manual_seed(3))


def endpoint(proxy, **settings) -> EndpointLvlm:
    return open_endpoint(proxy.url, "m", **{"timeout_s": 20.0, "at_once": 1, **settings})


def refuses(*told):
    """A server that refuses a value of a key with words: (key, which values, words)."""

    def answer(request):
        for key, refused, words in told:
            if key in request and refused(request[key]):
                return 400, {"error": {"message": words, "type": "invalid_request_error"}}
        return reply("7, 3") if "logprobs" not in request else rated()

    return answer


def whatever(value) -> bool:
    return True


def above(most: int):
    return lambda value: value > most


def below(least: int):
    return lambda value: value < least


def is_schema(value) -> bool:
    return value["type"] == "json_schema"


WISHES = ("reasoning_effort", "chat_template_kwargs", "logprobs", "top_logprobs")
REFUSALS = {
    "named": ((("logprobs", whatever, "logprobs is not supported"),), {"logprobs", "top_logprobs"}),
    "in other words": (
        (("reasoning_effort", whatever, "it does no reasoning"),),
        {"reasoning_effort"},
    ),
    "unnamed": ((("chat_template_kwargs", whatever, "invalid request"),), {"chat_template_kwargs"}),
    "two, one after the other": (
        (
            ("chat_template_kwargs", whatever, "Extra inputs"),
            ("reasoning_effort", whatever, "Unknown: effort"),
        ),
        {"chat_template_kwargs", "reasoning_effort"},
    ),
    "two at once, unnamed": (
        (("chat_template_kwargs", whatever, "no"), ("logprobs", whatever, "no")),
        {"chat_template_kwargs", "logprobs", "top_logprobs"},
    ),
    "another one is named": (
        (
            (
                "chat_template_kwargs",
                whatever,
                "temperature, seed and schema are fine, something is not",
            ),
        ),
        {"chat_template_kwargs"},
    ),
    "none at all": ((), set()),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_wish_is_dropped_only_if_the_question_then_succeeds(name, proxy):
    told, gone = REFUSALS[name]
    proxy.reply = refuses(*told)
    lvlm = endpoint(proxy)
    ratings = lvlm.rate(PICTURES[:2], None, unwatched)
    assert {wish for wish in WISHES if wish not in proxy.requests[-1]} == gone
    assert proxy.requests[-1]["temperature"] == 0
    assert {rating.warnings for rating in ratings} == {(NO_LOGPROBS,) if "logprobs" in gone else ()}
    asked = len(proxy.requests)
    lvlm.rate(PICTURES[:2], None, unwatched)
    assert len(proxy.requests) == asked + 2  # what is settled is not tried again


LIMITS = {
    "most": (
        (("top_logprobs", above(5), "20 logprobs were asked for, 5 at most"),),
        "top_logprobs",
        5,
    ),
    "a range": ((("top_logprobs", above(8), "top_logprobs lies outside 0..8"),), "top_logprobs", 8),
    "without a number": ((("top_logprobs", above(5), "too many logprobs"),), "top_logprobs", 5),
    "least": (
        (("max_tokens", below(16), "max_tokens: 8 is below the minimum of 16"),),
        "max_tokens",
        16,
    ),
    "renamed": (
        (("max_tokens", whatever, "max_tokens is not taken; give max_completion_tokens"),),
        "max_completion_tokens",
        8,
    ),
    "renamed, unsaid": ((("max_tokens", whatever, "max_tokens?"),), "max_completion_tokens", 8),
    "a value": (
        (
            (
                "reasoning_effort",
                "none".__eq__,
                "reasoning_effort must be one of minimal, low, high",
            ),
        ),
        "reasoning_effort",
        "minimal",
    ),
    "renamed, with a limit of its own": (
        (
            ("max_tokens", whatever, "use max_completion_tokens"),
            ("max_completion_tokens", below(16), "max_completion_tokens must be at least 16"),
        ),
        "max_completion_tokens",
        16,
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_or_a_name_in_the_refusal_is_obeyed(name, proxy):
    told, key, value = LIMITS[name]
    proxy.reply = refuses(*told)
    (rating,) = endpoint(proxy).rate(PICTURES[:1], None, unwatched)
    assert proxy.requests[-1][key] == value
    assert rating.warnings == () and rating.valence[0] == pytest.approx(1.2, abs=1e-3)


def test_room_in_the_context_is_worked_out(proxy):
    words = "context length is 1000 tokens; you asked for 1668 (900 in messages, 768 to write)"
    proxy.reply = refuses(("max_tokens", above(100), f"{words}"))
    endpoint(proxy).write([Ask(PICTURES[0], "What?")], unwatched)
    assert proxy.requests[-1]["max_tokens"] == 100


def test_what_no_form_of_the_question_cures_is_told_with_its_last_words(proxy):
    proxy.reply = refuses(("messages", whatever, "this model sees no pictures"))
    with pytest.raises(ScorerError, match="status 400: 'this model sees no pictures'"):
        endpoint(proxy).rate(PICTURES[:1], None, unwatched)
    assert len(proxy.requests) < 12
    lvlm = endpoint(proxy)
    proxy.reply = refuses()
    lvlm.rate(PICTURES[:1], None, unwatched)
    assert all(wish in proxy.requests[-1] for wish in WISHES)  # nothing was given up in vain


def test_a_refused_schema_is_said(proxy):
    proxy.reply = refuses(("response_format", is_schema, "only text or json_object"))
    ask = Ask(PICTURES[0], "What?", schema={"type": "object"})
    (written,) = endpoint(proxy).write([ask], unwatched)
    assert proxy.requests[-1]["response_format"] == {"type": "json_object"}
    proxy.reply = refuses(("response_format", whatever, "no grammar here"))
    (written,) = endpoint(proxy).write([ask], unwatched)
    assert written.warnings == (NO_SCHEMA,) and "response_format" not in proxy.requests[-1]


def test_what_was_settled_is_asked_again_when_the_server_comes_back(proxy):
    proxy.reply = refuses(("logprobs", whatever, "logprobs is not supported"))
    lvlm = endpoint(proxy)
    (rating,) = lvlm.rate(PICTURES[:1], None, unwatched)
    assert rating.warnings == (NO_LOGPROBS,)
    proxy.reply = refuses()
    lvlm.rate(PICTURES[:1], None, unwatched)
    assert "logprobs" not in proxy.requests[-1]
    proxy.faults.append("reset")  # it went away; who knows what comes back
    (rating,) = lvlm.rate(PICTURES[:1], None, unwatched)
    assert "logprobs" in proxy.requests[-1] and rating.warnings == ()


def test_a_round_whose_way_changes_half_way_is_read_again(proxy):
    answers = []

    def changing(request):
        answers.append("logprobs" in request)
        if len(answers) > 2 and "logprobs" in request:
            return 400, {"error": {"message": "logprobs is off now"}}
        return rated() if "logprobs" in request else reply("7, 3")

    proxy.reply = changing
    ratings = endpoint(proxy).rate(PICTURES, None, unwatched)
    assert {rating.valence for rating in ratings} == {(1.5, 0.75)}
    assert {rating.warnings for rating in ratings} == {(NO_LOGPROBS,)}

    answers.clear()

    def losing_its_schema(request):
        answers.append(request)
        held = "response_format" in request
        if len(answers) > 2 and held:
            return 400, {"error": {"message": "no schema now"}}
        return reply("{}" if held else "freely")

    proxy.reply = losing_its_schema
    asks = [Ask(picture, "What?", schema={"type": "object"}) for picture in PICTURES]
    assert {told.text for told in endpoint(proxy).write(asks, unwatched)} == {"freely"}


def test_log_probabilities_for_some_pictures_only_are_asked_for_again_then_left_out(proxy):
    asked = []

    def moody(request):
        asked.append(request)
        return reply("7, 3") if len(asked) % 3 == 0 else rated()

    proxy.reply = moody
    ratings = endpoint(proxy).rate(PICTURES, None, unwatched)
    assert {rating.valence for rating in ratings} == {(1.5, 0.75)} and len(asked) == 8
    proxy.reply = lambda request: reply("7, 3") if len(proxy.requests) == 10 else rated()
    ratings = endpoint(proxy).rate(PICTURES, None, unwatched)  # the second time all have them
    assert {rating.warnings for rating in ratings} == {()}


def test_a_refused_answer_is_asked_for_once_more_and_then_quoted(proxy):
    told = iter(["about 7, 3", "7, 3"])
    proxy.reply = lambda request: reply(next(told))
    (rating,) = endpoint(proxy).rate(PICTURES[:1], None, unwatched)
    assert (rating.raw_text, rating.tokens) == ("7, 3", 186)
    assert "'about 7, 3' instead of two digits" in json.dumps(proxy.requests[1])
    proxy.reply = reply("7 of 9")
    with pytest.raises(ScorerAnswerError, match="m at .* answered '7 of 9'.*It was asked 2 times"):
        endpoint(proxy).rate(PICTURES[:1], None, unwatched)


def test_digits_with_little_of_the_probability_are_no_reading(proxy):
    unsure = rated()
    for option in unsure["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        option["logprob"] -= 1.5
    unsure["choices"][0]["logprobs"]["content"][0]["logprob"] -= 1.5
    proxy.reply = unsure
    with pytest.raises(ScorerAnswerError, match="only 22 % of the probability on digits|only 22%"):
        endpoint(proxy).rate(PICTURES[:1], None, unwatched)


def test_an_artist_may_allow_thoughts_before_written_answers(proxy):
    proxy.reply = reply('{"valence": 7, "arousal": 3}', reasoning_content="a calm sea")
    ask = Ask(PICTURES[0], "What?", 100)
    endpoint(proxy).write([ask], unwatched)
    endpoint(proxy, thought_tokens=500).write([ask], unwatched)
    short, long = proxy.requests
    assert (short["max_tokens"], long["max_tokens"]) == (100, 600)
    assert short["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in long and "reasoning_effort" not in long
    proxy.reply = reply("7, 3")
    endpoint(proxy, thought_tokens=500).rate(PICTURES[:1], None, unwatched)
    assert proxy.requests[-1]["reasoning_effort"] == "none"
