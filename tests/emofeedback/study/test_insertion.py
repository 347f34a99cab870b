"""Affect words by role: the artist's content stays, and words go where they belong."""

import pytest

from emofeedback.records.emotion import Emotion
from emofeedback.records.request import blind_request
from emofeedback.refining.cues import named_cues
from emofeedback.study.insertion import RoleInsertion


def inserted(prompt: str, valence: float, arousal: float) -> str:
    return RoleInsertion().refine(blind_request(prompt, Emotion(valence, arousal))).prompt


@pytest.mark.parametrize("prompt", ["a boat on the sea", "boat", "an owl in the forest"])
def test_words_stand_in_their_roles_and_the_content_stays(prompt: str) -> None:
    for valence, arousal in ((2.4, 1.5), (-2.0, -2.0), (0.3, 2.5)):
        written = inserted(prompt, valence, arousal)
        kept = set(prompt.split()) - {"a", "an"}  # the adjective may change the article
        assert kept <= set(written.replace(",", " ").split())
        named = [level for level in named_cues(written) if level.name]
        effect = sum(level.valence * valence + level.arousal * arousal for level in named)
        assert len(named) == 2 and effect > 0
    assert inserted(prompt, 0.1, 0.1) == prompt


def test_the_subject_gets_the_adjective_and_what_the_artist_settled_is_left() -> None:
    assert inserted("a boat on the sea", -1.0, -0.4).startswith("an unhappy boat")
    assert "sky" not in inserted("a boat under a blue sky", -2.0, 0.0).replace("blue sky", "")
