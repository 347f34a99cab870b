import pytest
import torch

from emofeedback.errors import ConfigError
from emofeedback.lvlm.base import PROMPT_SETS, Written
from emofeedback.plane.words import ALL_PRESETS, MIKELS, preset_emotion, sources_in_words
from emofeedback.reading.phrases import FORMS, UNKNOWN, read_phrases
from emofeedback.reading.scorer import LvlmScorer
from emofeedback.records.calibration import (
    Calibration,
)
from emofeedback.records.emotion import Emotion
from emofeedback.refining.cues import FAMILIES


def test_every_form_leads_to_a_preset() -> None:
    assert set(FORMS.values()) <= set(ALL_PRESETS) and not set(FORMS) & set(ALL_PRESETS)


def test_the_eight_of_mikels_lie_where_the_glasgow_norms_put_them() -> None:
    assert len(MIKELS) == 8
    assert preset_emotion("awe") == Emotion(1.755, 1.245)  # 7.34 and 6.66, minus 5, times 3/4
    assert preset_emotion("sadness") == Emotion(-2.3625, -0.9225)
    told = sources_in_words()
    assert all(word in told for word in ALL_PRESETS if word != "neutral")
    assert "Russell (1980)" in told and "Glasgow" in told
    assert "awe: Warriner has it calm" in told and "amusement: Warriner" in told


def test_words_are_averaged_and_cues_added() -> None:
    sad, tense = preset_emotion("sad"), preset_emotion("tense")
    level = next(each for each in FAMILIES["sky"] if each.phrases and each.arousal > 0)
    read = read_phrases(f"A sadly tense dog, {level.phrases[0]}").emotion
    assert read.valence == pytest.approx((sad.valence + tense.valence) / 2 + level.valence)
    assert read.arousal == pytest.approx((sad.arousal + tense.arousal) / 2 + level.arousal)


def test_a_negated_word_does_not_count() -> None:
    assert read_phrases("a boat, not at all angry").emotion != Emotion(0, 0)
    for words in ("a boat, not angry", "a boat without any fear"):
        assert read_phrases(words).emotion == Emotion(0, 0)


def test_unknown_words_are_neutral_uncertain_and_said_to_be() -> None:
    read = read_phrases("ein Boot auf dem Meer")
    assert (read.emotion, read.words) == (Emotion(0, 0), (UNKNOWN,))
    assert "knows none of the 5 words, so the emotion is unknown" in read.warnings[0]
    assert read.uncertainty > read_phrases("a happy boat").uncertainty
    with pytest.raises(ConfigError, match="nothing to picture"):
        read_phrases("  ")


class WritingModel:
    """A language model whose answers are given."""

    name, prompts = "writer", PROMPT_SETS["viewer_v1"]

    def __init__(self, *answers: str) -> None:
        self.answers, self.asks = list(answers), []

    def write(self, asks, watch):
        self.asks += asks
        return [Written(self.answers.pop(0), 10) for _ in asks]

    def release(self) -> None:
        pass


ANSWER = '{"valence": 7, "arousal": 3, "words": ["peaceful"], "cues": [{"name": "lake"}]}'


def test_a_model_reads_a_prompt_without_a_picture_and_without_calibration() -> None:
    model = WritingModel(ANSWER)
    scorer = LvlmScorer(model, calibration=Calibration("mine", (0.5, 0.5), (1, 1)))
    read = scorer.read_text('a "quiet" lake\nat dawn')
    assert (read.emotion, read.calibration) == (Emotion(1.5, -1.5), "")
    assert (read.words, read.cues[0].name) == (("peaceful",), "lake")
    assert model.asks[0].image is None
    assert "\"a 'quiet' lake at dawn\"" in model.asks[0].question


def test_where_the_model_cannot_answer_the_phrase_table_does_and_says_so() -> None:
    read = LvlmScorer(WritingModel("I like lakes.", "Still.")).read_text("a happy lake")
    assert read.emotion == preset_emotion("happy")
    assert "It was asked twice. The phrase" in read.warnings[-1] and read.tokens == 20


def test_words_of_a_model_folder_are_read_without_a_picture(tmp_path) -> None:
    from tiny_lvlms import random_qwen3

    from emofeedback.lvlm.base import Ask
    from emofeedback.lvlm.folder import load_folder

    lvlm = load_folder(random_qwen3(tmp_path / "Qwen3-VL-tiny"))
    unwatched = lambda *_: None  # noqa: E731
    blank, seen = (
        lvlm.write([Ask(image, "What?", max_tokens=4, seed=1)], unwatched)[0]
        for image in (None, torch.rand(64, 64, 3))
    )
    assert blank.tokens < seen.tokens  # no picture's tokens
