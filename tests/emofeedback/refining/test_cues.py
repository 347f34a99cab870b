"""The cue table: what a text names."""

import pytest

from emofeedback.refining.cues import named_subjects


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("A boat and two dogs at sea", ("boat", "dog")),
        ("a person under the trees, with dark birds above, among flowers", ("person",)),
        ("the ship, the ships", ("boat",)),
        ("on the beach", ()),
    ],
)
def test_subjects_are_named_by_their_nouns_outside_of_cues(text, subjects):
    assert named_subjects(text) == subjects
