"""Prompt changes: both prompts are in them, whole, and what stays is not marked."""

import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emofeedback.loop.prompt_changes import LONGEST, prompt_changes


@settings(deadline=None)
@given(st.text("ab ,\n", max_size=30), st.text("ab ,\n", max_size=30))
@example("a boat on the sea, storm sky, warm light", "a boat, storm sky on the sea")
@example("  a   boat\non the  sea ", "sea sea sea boat")
def test_changes_hold_both_prompts_word_for_word(before: str, after: str) -> None:
    pieces = prompt_changes(before, after)
    old = "".join(piece["text"] for piece in pieces if piece["change"] != "added")
    new = "".join(piece["text"] for piece in pieces if piece["change"] != "removed")
    assert "".join(old.split()) == "".join(before.split())
    assert "".join(new.split()) == "".join(after.split())


def test_an_added_clause_is_one_piece_and_the_rest_is_kept() -> None:
    assert prompt_changes("a boat on the sea", "a boat on the dark sea, at night") == [
        {"text": "a boat on the", "change": "same"},
        {"text": " dark", "change": "added"},
        {"text": " sea", "change": "same"},
        {"text": ", at night", "change": "added"},
    ]


def test_very_long_prompts_are_compared_whole() -> None:
    long = " ".join(f"w{index}" for index in range(LONGEST))
    assert [piece["change"] for piece in prompt_changes(long, f"{long} end")] == [
        "removed",
        "added",
    ]


def test_punctuation_between_two_changes_is_changed_too() -> None:
    found = prompt_changes("a dog, red, big", "a cat, blue, big")
    assert [(piece["text"], piece["change"]) for piece in found] == [
        ("a", "same"),
        (" dog, red", "removed"),
        (" cat, blue", "added"),
        (", big", "same"),
    ]


@pytest.mark.parametrize("words", [2, 60, 4000])
def test_long_prompts_take_little_of_a_processor(words: int) -> None:
    dice = random.Random(words)
    before, after = (" ".join(f"w{dice.randrange(words)}" for _ in range(4000)) for _ in range(2))
    started = time.process_time()
    pieces = prompt_changes(before, after)
    assert time.process_time() - started < 1  # 0.1 here; the old comparison took minutes
    assert sum(piece["change"] == "same" for piece in pieces) > 50
