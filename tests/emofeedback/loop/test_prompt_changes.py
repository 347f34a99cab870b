"""Prompt changes: both prompts are in them, whole, and what stays is not marked."""

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
