"""Questions in the artist's own words: what they must hold, and what models are asked then."""

from pathlib import Path

import pytest
import torch
from tiny_lvlms import drawn_folder, random_qwen3

from emofeedback.errors import ConfigError
from emofeedback.lvlm.base import PROMPT_SETS
from emofeedback.lvlm.folder import load_folder
from emofeedback.lvlm.prompts import load_prompt
from emofeedback.lvlm.wording import in_own_words, read_wording
from emofeedback.reading.scorer import LvlmScorer

WORDS = "Wie wirkt das Bild? Valence: 1 furchtbar, 9 herrlich. Arousal: 1 schläfrig, 9 aufgewühlt."
VIEWER = PROMPT_SETS["viewer_v1"]


def wording(folder: Path, words: str | bytes) -> Path:
    file = folder / "mine.txt"
    file.write_bytes(words.encode() if isinstance(words, str) else words)
    return file


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        ("", "the word valence, the word arousal, the lowest rating, 1, the highest rating, 9"),
        (WORDS.replace("Arousal", "Erregung"), "lacks the word arousal."),
        (WORDS.replace("9", "10"), "lacks the highest rating, 9."),
        (WORDS * 50, "more than 4000 letters"),
        (b"\xff\xfe", "cannot be read as text"),
    ],
)
def test_words_that_cannot_be_used_say_what_they_lack(
    tmp_path: Path, words: str | bytes, lacks: str
) -> None:
    with pytest.raises(ConfigError, match=lacks):
        read_wording(wording(tmp_path, words))


def test_every_question_has_the_words_and_asks_for_an_answer_that_can_be_read(
    tmp_path: Path,
) -> None:
    words = read_wording(wording(tmp_path, f"\ufeff{WORDS} It costs $5.\n"))
    own = in_own_words(VIEWER, "mine", words)
    for kind, answer in (("rate", "two digits"), ("digits", "a comma"), ("explain", '"cues"')):
        asked = load_prompt(getattr(own, kind))
        assert asked.startswith(words) and answer in asked
        assert getattr(own, kind).startswith(f"mine_{kind}_")
    assert in_own_words(VIEWER, "mine", words) == own
    assert in_own_words(VIEWER, "mine", f"{words}!").rate != own.rate
    assert (own.refine, own.answer) == (VIEWER.refine, VIEWER.answer)


def test_one_model_is_asked_in_two_wordings_and_readings_say_which(tmp_path: Path) -> None:
    random_qwen3(tmp_path / "model")
    plain = load_folder(tmp_path / "model")
    images = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    (before,) = LvlmScorer(plain).score(images)
    own = in_own_words(plain.prompts, "mine", WORDS)
    worded = plain.asked_with(own)
    (asked,), (after,) = LvlmScorer(worded).score(images), LvlmScorer(plain).score(images)
    assert worded.model is plain.model
    assert (before.emotion, before.prompt_version) == (after.emotion, VIEWER.rate)
    assert asked.prompt_version == own.rate and asked.emotion != before.emotion


def test_a_model_that_was_taught_its_questions_takes_no_others(tmp_path: Path) -> None:
    drawn_folder(tmp_path / "drawn")
    with pytest.raises(ConfigError, match="drawn_v1"):
        in_own_words(load_folder(tmp_path / "drawn").prompts, "mine", WORDS)
