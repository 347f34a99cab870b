"""Answers held to a schema while they are written, whatever the model would rather say."""

import json

import pytest
import torch
from tiny_lvlms import DRAWN

from emofeedback.lvlm.answers import MAX_ENTRIES, read_reasoned, read_rewrites
from emofeedback.lvlm.constrained import MOST_CHARACTERS, answer_shapes, bounded
from emofeedback.lvlm.schemas import REASONED_SCHEMA, REFINE_SCHEMA, REWRITES_SCHEMA

pytest.importorskip("llguidance")
VOCABULARY, END = 1024, 2


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(DRAWN)


@pytest.fixture(scope="module")
def shapes(tokenizer):
    return answer_shapes(tokenizer, vocabulary=VOCABULARY, stops=[END])


def babble(tokenizer, shaped, seed: int, ahead: str = "", most: int = 4000) -> tuple[str, int]:
    """What a model without any sense writes, after `ahead`, and in how many tokens."""
    draw = torch.Generator().manual_seed(seed)
    ids = tokenizer.encode(ahead, add_special_tokens=False)
    for token in ids:
        assert shaped.allowed(torch.zeros(1, VOCABULARY))[0, token] == 0
        shaped.take(token)
    while len(ids) < most:
        logits = shaped.allowed(torch.randn(1, VOCABULARY, generator=draw) * 3)
        ids.append(int(logits.argmax()))
        shaped.take(ids[-1])
        if ids[-1] == END:
            break
    return tokenizer.decode(ids, skip_special_tokens=True), len(ids)


def fits(value, schema) -> bool:
    """Whether a value has the shape of a schema, as the three schemas in use spell theirs."""
    if "enum" in schema:
        return value in schema["enum"]
    if schema["type"] == "object":
        known = schema["properties"]
        return list(value) == list(known) and all(fits(value[k], known[k]) for k in known)
    if schema["type"] == "array":
        return len(value) <= MAX_ENTRIES and all(fits(each, schema["items"]) for each in value)
    if schema["type"] == "string":
        return isinstance(value, str) and len(value) <= MOST_CHARACTERS
    return isinstance(value, int) and schema["minimum"] <= value <= schema["maximum"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "schema", [REASONED_SCHEMA, REFINE_SCHEMA, REWRITES_SCHEMA], ids=["reasoned", "one", "several"]
)
def test_babble_ends_as_an_answer_of_the_schema(schema, seed, tokenizer, shapes):
    text, _ = babble(tokenizer, shapes.answer(schema, max_tokens=200), seed, ahead="{")
    assert fits(json.loads(text), schema)


def test_a_thought_may_come_first_and_ends_in_time(tokenizer, shapes):
    thought = "<think>The sky, the sky"
    for seed in range(3):
        text, _ = babble(tokenizer, shapes.answer(REASONED_SCHEMA, max_tokens=60), seed, thought)
        told = read_reasoned(text)
        assert told.thought.startswith("The sky, the sky") and 1 <= told.valence <= 9
        inside = text.split("</think>")[0].removeprefix("<think>")
        assert len(tokenizer.encode(inside, add_special_tokens=False)) <= 60


def test_a_thought_that_the_template_opened_is_closed_before_the_answer(tokenizer, shapes):
    shaped = shapes.answer(REFINE_SCHEMA, max_tokens=200, thinking=True)
    text, _ = babble(tokenizer, shaped, 1, 'Fog.</think>{"suggestions": [], "clause": "fog')
    assert read_rewrites(text)[0].clause.startswith("fog")


def test_after_a_token_that_could_not_follow_the_model_is_left_alone(tokenizer, shapes):
    shaped = shapes.answer(REASONED_SCHEMA, max_tokens=200)
    shaped.take(tokenizer.encode("Sorry", add_special_tokens=False)[0])
    logits = torch.randn(1, VOCABULARY)
    assert torch.equal(shaped.allowed(logits), logits)


def test_every_text_and_list_has_an_end_and_the_schema_is_left_as_it_was():
    before = json.dumps(REWRITES_SCHEMA)
    told = json.dumps(bounded(REWRITES_SCHEMA))
    assert told.count('"maxItems"') == before.count('"array"')
    assert told.count('"maxLength"') == before.count('"string"')
    assert json.dumps(REWRITES_SCHEMA) == before


def test_a_tokenizer_may_know_more_tokens_than_its_model(tokenizer):
    few = answer_shapes(tokenizer, vocabulary=VOCABULARY - 100, stops=[END])
    logits = few.answer(REFINE_SCHEMA, max_tokens=9).allowed(torch.zeros(1, VOCABULARY - 100))
    assert logits.shape == (1, VOCABULARY - 100) and logits.max() == 0 > logits.min()


def test_a_tokenizer_of_another_kind_is_not_held_to_anything():
    assert answer_shapes(object(), vocabulary=VOCABULARY, stops=[END]) is None
