"""Any reply is a reading or a typed failure, and what is not asked for never shows or blocks."""

import json
import threading
import time
from random import Random

import pytest
import torch
from chat_replies import rated, reply, token
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emofeedback.errors import EmoFeedbackError, ScorerAnswerError, ScorerError
from emofeedback.lvlm.answers import read_reasoned
from emofeedback.lvlm.base import Ask, unwatched
from emofeedback.lvlm.server.digits import read_digits, yes_share
from emofeedback.lvlm.server.endpoint import EndpointLvlm, open_endpoint
from emofeedback.lvlm.server.replies import ErrorInReplyError, NoReplyError, read_reply
from emofeedback.lvlm.server.waiting import run_watched
from tools.hostile.counting import ambiguous_accepted, answers_wrong, plain_refused, replies_wrong
from tools.hostile.files import files_wrong
from tools.hostile.over_socket import attack
from tools.hostile.replies import fault_of_reply

KEY = "sk-secret-123"
PICTURE = torch.rand(1, 8, 8, 3, generator=torch.Generator().manual_seed(3))
JSON = '{"valence": 7, "arousal": 3, "words": ["calm"]}'


def endpoint(proxy, **more) -> EndpointLvlm:
    return open_endpoint(proxy.url, "m", **{"timeout_s": 20.0, "retries": 0, **more})


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (ambiguous_accepted, 2_000),
        (plain_refused, 2_000),
        (replies_wrong, 1_000),
        (answers_wrong, 600),
        (attack, 40),
        (files_wrong, 600),
    ],
)
def test_a_slice_of_the_attacks_finds_nothing(run, count):
    tried, faults = run(count, Random(11))
    assert tried >= count and not faults


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["7, 3", "1, 9", "</think>", "error", "7", "length", JSON]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["error", "content", "message", "token", "type", "text", "code"]), inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


PLACES = list(places(rated()))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PLACES), ANYTHING)
def test_any_json_at_any_place_is_a_reading_or_a_typed_failure(path, value):
    told = rated()
    if path:
        holder = told
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
    else:
        told = value
    assert fault_of_reply(json.dumps(told).encode()) == ""


def test_an_answer_in_parts_or_in_the_field_of_thoughts_is_read():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "1, 9"}]},
             {"type": "text", "text": "7"}, {"type": "text", "text": ", 3"}]  # fmt: skip
    digits = read_digits(read_reply(reply(parts)), "m")
    assert (digits.valence, digits.arousal) == (7, 3)
    for field in ("reasoning_content", "reasoning"):
        for content in (None, "", []):
            told = read_reply(reply(content, **{field: JSON}))
            assert read_reasoned(told.text).valence == 7
        told = read_reply(reply(None, **{field: "1, 9"}))  # a thought, whatever it holds
        with pytest.raises(ScorerAnswerError, match="'1, 9' and was still thinking"):
            read_digits(told, "m")
    for content in (
        7,
        True,
        {"text": "7, 3"},
        [7],
        [["7, 3"]],
        [{"type": "image", "text": "7, 3"}],
    ):
        with pytest.raises(ScorerAnswerError, match="instead of two digits"):
            read_digits(read_reply(reply(content)), "m")


def test_log_probabilities_are_those_of_the_answer_alone():
    likely = {"7": -0.4, " 8": -2.0, "8": -2.0}
    thought = [token("1"), token(","), token("9"), token("</think>")]
    last = {"3": -0.01, "9": -9999.0}
    entries = [*thought, token("7", **likely), token(", "), token("3", **last), token("<|im_end|>")]
    for text, told in (("7, 3", entries), ("1,9</think>7, 3", entries), ("7, 3", entries[4:])):
        digits = read_digits(read_reply(reply(text, {"content": told})), "m")
        (valence, _), (arousal, _) = digits.expected()
        assert valence == pytest.approx(0.75 * (2 + 0.2707 / 0.9410), abs=1e-3)
        assert arousal == pytest.approx(-1.5, abs=1e-2)
    other = read_reply(reply("7, 3", {"content": entries[:3]}))
    assert read_digits(other, "m").logits is None  # they tell of another text
    old = {"tokens": ["7", ",", "3"], "token_logprobs": [-0.4, 0, -0.01],
           "top_logprobs": [{"7": -0.4, "8": -1.2}, {",": 0}, None]}  # fmt: skip
    assert read_digits(read_reply(reply("7,3", old)), "m").expected()[0][0] > 1.6
    half = [{"token": "\ufffd", "bytes": [b], "logprob": 0.0} for b in "\uff0c".encode()]
    split = {"content": [token("7", **likely), *half, token("3", **{"3": 0.0})]}
    assert read_digits(read_reply(reply("7\uff0c3", split)), "m").logits is not None


def test_a_yes_in_a_thought_says_nothing_of_the_picture():
    yes = token("yes", yes=-0.1, no=-2.4)
    assert yes_share(read_reply(reply("yes", {"content": [yes]}))) == pytest.approx(0.91, abs=0.01)
    thought = {"content": [token("no boat? "), yes]}
    assert yes_share(read_reply(reply(None, thought, reasoning_content="no boat? yes"))) is None
    assert yes_share(read_reply(reply("no boat? yes", thought))) is None
    weak = token("yes", yes=-3.0, no=-3.0)
    assert yes_share(read_reply(reply("yes", {"content": [weak]}))) is None


ERRORS = {
    "an error for a reply": ({"error": {"message": "limited", "code": 429}}, "status 429.*limited"),
    "as words": ({"error": "it broke"}, "status 502: 'it broke'"),
    "in a choice": ({"choices": [{"error": {"message": "idle", "code": 502}}]}, "status 502: 'id"),
    "as an end": ({"choices": [{"finish_reason": "error", "message": {}}]}, "status 502"),
    "beside an answer": (rated() | {"error": {"message": "gone", "code": "503"}}, "status 503"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_inside_a_200_is_tried_again_and_then_told(name, proxy):
    proxy.reply, message = ERRORS[name]
    with pytest.raises(ScorerError, match=f"{message}.*It was asked 2 times"):
        endpoint(proxy, retries=1).rate(PICTURE, None, unwatched)
    assert len(proxy.requests) == 2
    answers = iter([proxy.reply, rated()])
    proxy.reply = lambda request: next(answers)
    assert len(endpoint(proxy, retries=1).rate(PICTURE, None, unwatched)) == 1


@pytest.mark.parametrize("value", [None, [], {}, 7, "7, 3", {"choices": [{"message": None}]}])
def test_what_is_no_reply_is_no_reading(value):
    with pytest.raises((NoReplyError, ErrorInReplyError)):
        read_reply(value)


def test_a_filtered_answer_is_none_and_says_so(proxy):
    proxy.reply = reply(None, refusal="I will not rate this.")
    with pytest.raises(ScorerAnswerError, match="'I will not rate this.' and was stopped by the"):
        endpoint(proxy).rate(PICTURE, None, unwatched)


@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_is_read_up_to_eight_megabytes(status, proxy):
    proxy.reply = lambda request: (status, b'{"error": "' + b" " * (9 * 2**20) + b'"}')
    with pytest.raises(ScorerAnswerError, match="more than 8 MB"):
        endpoint(proxy, retries=2).rate(PICTURE, None, unwatched)
    assert len(proxy.requests) == 1


def test_a_key_that_a_server_echoes_shows_nowhere(proxy):
    echo = {"valence": 7, "arousal": 3, "words": [KEY], "rationale": f"Bearer {KEY}"}
    proxy.reply = reply(json.dumps(echo), reasoning_content=KEY)
    (written,) = endpoint(proxy).write([Ask(PICTURE[0], "What?")], unwatched)
    assert KEY not in written.text and "(key)" in written.text
    bodies = (reply(KEY), {"error": KEY}, KEY.encode(), (401, KEY.encode()), (400, {"error": KEY}),
              {"choices": [{"message": {"content": None, "refusal": KEY}}]})  # fmt: skip
    for body in bodies:
        proxy.reply = lambda request, body=body: body
        with pytest.raises(EmoFeedbackError) as caught:
            endpoint(proxy).rate(PICTURE, None, unwatched)
        shown, error = [], caught.value
        while error is not None:
            shown.append(str(error))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        assert KEY not in "".join(shown)


def test_cancelling_does_not_wait_for_what_cannot_be_cancelled():
    held = threading.Event()

    async def work(progress):
        import asyncio

        await asyncio.get_running_loop().run_in_executor(None, held.wait, 20)

    def cancel(done, total):
        if time.monotonic() > begun + 0.1:
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_watched(work, 1, cancel)
    alive = [thread for thread in threading.enumerate() if thread.name == "emofeedback-requests"]
    held.set()
    assert alive  # it was left alone, and ends when what it waits for does
    alive[0].join(10)
    assert not alive[0].is_alive()
