"""The shipped scorer and refiner: one reading a picture, honest about what they do not know."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from emofeedback.embedded.foreign import FOREIGN_WARNING, SIZE, ForeignNet, shrunk
from emofeedback.embedded.scorer import FILES, embedded_scorer, load_lvlm, load_scorer
from emofeedback.embedded.weights import FOLDER
from emofeedback.errors import CheckpointError, ConfigError, ImageError
from emofeedback.loop.steps import record_scores, start_loop
from emofeedback.lvlm.base import Ask, Written, unwatched
from emofeedback.lvlm.prompts import fill_prompt, load_prompt
from emofeedback.lvlm.readout import DIGITS, SMALLEST_SPREAD, expected_digits
from emofeedback.lvlm.taught_answers import write_rewrite
from emofeedback.reading.base import (
    Scorer,
)
from emofeedback.reading.scorer import UNEXPLAINED
from emofeedback.records.calibration import (
    Calibration,
)
from emofeedback.records.emotion import Emotion
from emofeedback.records.reading import (
    Reading,
)
from emofeedback.records.refinement import (
    Suggestion,
)
from emofeedback.records.request import (
    RefineRequest,
)
from emofeedback.refining.base import (
    Refiner,
)
from emofeedback.refining.cues import find_cue, named_cues

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Five smooth, different pictures [5, 128, 128, 3]."""
    coarse = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.interpolate(coarse, 128, mode="bicubic").clamp(0, 1).movedim(1, -1)


@pytest.fixture(scope="module")
def lvlm():
    return load_lvlm()


@pytest.fixture
def request_for(pictures):
    def make(prompt: str = "a boat on the sea") -> RefineRequest:
        readings = tuple(load_scorer().score(pictures[:2]))
        return RefineRequest(
            artist_prompt=prompt,
            prompt=prompt,
            images=pictures[:2],
            readings=readings,
            target=Emotion(-2, 2),
            best=1,
        )

    return make


def test_scorer_and_refiner_keep_the_librarys_contracts():
    assert isinstance(load_scorer(), Scorer)
    assert isinstance(load_scorer().refiner(), Refiner)


def answering(monkeypatch, texts, asked=None) -> None:
    """The shipped model writes these texts instead, one an ask."""
    left = iter(texts)

    def write(_, asks, watch):
        (asked if asked is not None else []).extend(asks)
        return [Written(next(left), 7) for _ in asks]

    monkeypatch.setattr(type(load_lvlm()), "write", write)


def written(picture, question, **how) -> Written:
    """What the shipped model answers."""
    (answer,) = load_lvlm().write([Ask(picture, question, **how)], unwatched)
    return answer


def digit_ids() -> list[int]:
    return load_lvlm().processor.tokenizer.convert_tokens_to_ids(list(DIGITS))


def test_a_batch_reads_as_its_pictures_read_alone(pictures):
    together = load_scorer().score(pictures)
    for picture, reading in zip(pictures, together, strict=True):
        (alone,) = load_scorer().score(picture[None])
        # float32 sums in another order
        assert alone.emotion.gap_from(reading.emotion).size < 1e-4
        assert alone.uncertainty == pytest.approx(reading.uncertainty, abs=1e-4)


def test_the_reading_is_the_expected_value_of_the_digits(pictures, lvlm):
    joint = lvlm.digits(pictures)
    torch.testing.assert_close(joint.exp().sum((1, 2)), torch.ones(len(pictures)))
    for index, reading in enumerate(load_scorer().score(pictures)):
        valence, spread = expected_digits(joint[index].logsumexp(1))
        assert reading.emotion.valence == pytest.approx(float(valence), abs=1e-4)
        assert SMALLEST_SPREAD - 1e-6 <= reading.uncertainty[0] <= float(spread) + 1e-4


def test_branches_equal_what_generation_would_meet_token_by_token(pictures, lvlm):
    joint = lvlm.digits(pictures[:1])
    ids = lvlm.processor.ids(lvlm.chat(load_prompt(lvlm.prompts.rate)))
    pixels, grid = lvlm.processor.patches(pictures[:1])
    for first in (0, 4, 8):
        rows = torch.tensor([[*ids, digit_ids()[first]]])
        logits = lvlm.model(
            input_ids=rows,
            pixel_values=pixels,
            image_grid_thw=grid,
            mm_token_type_ids=(rows == lvlm.model.config.image_token_id).int(),
        ).logits[0, -2:, digit_ids()]
        chance = logits.log_softmax(-1)
        expected = chance[0, first] + chance[1]
        torch.testing.assert_close(joint[0, first], expected, atol=1e-4, rtol=1e-4)


def test_the_first_generated_digit_is_the_likeliest_of_the_read_out(pictures, lvlm):
    joint = lvlm.digits(pictures)
    for picture, chances in zip(pictures, joint, strict=True):
        text = written(picture, load_prompt(lvlm.prompts.rate), max_tokens=1).text
        assert text == str(int(chances.logsumexp(1).argmax()) + 1)


def test_pictures_are_cut_into_patches_as_the_shipped_image_processor_cuts_them(pictures, lvlm):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    processor = Qwen2VLImageProcessorPil.from_pretrained(FOLDER / "drawn_lvlm")
    bytes_ = (pictures * 255).round().to(torch.uint8)
    theirs = processor([Image.fromarray(p.numpy()) for p in bytes_], return_tensors="pt")
    ours, grid = lvlm.processor.patches(bytes_ / 255)
    torch.testing.assert_close(ours, theirs["pixel_values"], atol=1e-5, rtol=0)
    assert torch.equal(grid, theirs["image_grid_thw"])


def test_digits_are_single_tokens_and_any_text_survives_the_tokenizer(lvlm):
    assert len(set(digit_ids())) == 9
    tokenizer = lvlm.processor.tokenizer
    for text in ("Ein Boot, naïve 猫 🙂", '{"clause":"in the rain"}', "a b\n\n c"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_greedy_and_seeded_answers_repeat(pictures):
    for seed in (None, 7):
        first, second = (
            written(pictures[0], load_prompt("drawn_explain_v1"), seed=seed, max_tokens=24)
            for _ in range(2)
        )
        assert first == second


def test_writing_leaves_the_global_random_source_alone(pictures):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    written(pictures[0], load_prompt("drawn_explain_v1"), seed=5, max_tokens=4)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(0, 64, 64, 3), "0 images"),
        (torch.rand(1, 1, 1, 3), "1 x 1 pixels"),
        (torch.full((2, 64, 64, 3), float("nan")), "2 of 2 images hold NaN"),
        (torch.rand(64, 64, 3), "shape"),
        (np.zeros((1, 64, 64, 3)), "ndarray"),
        (None, "No images"),
    ],
)
def test_unusable_images_are_refused_with_a_message(images, message):
    for ask in (load_scorer().score, load_scorer().explain):
        with pytest.raises(ImageError, match=message):
            ask(images)


@pytest.mark.parametrize("size", [(128, 128), (64, 200), (9, 9), (512, 300)])
def test_every_size_alpha_and_float_type_is_read(size):
    images = torch.rand(2, *size, 4, dtype=torch.float64)
    readings = load_scorer().score(images)
    assert len(readings) == 2
    assert all(spread > 0 for reading in readings for spread in reading.uncertainty)


def test_content_is_known_only_with_a_prompt(pictures):
    assert all(reading.content is None for reading in load_scorer().score(pictures))
    for reading in load_scorer().score(pictures, prompt="a boat on the sea"):
        assert 0 <= reading.content <= 1


def test_a_calibration_moves_the_reading_and_is_named_in_it(pictures):
    scorer = embedded_scorer(Calibration("test", (0.5, 1.0), (0.1, 9.0)))
    for plain, moved in zip(load_scorer().score(pictures), scorer.score(pictures), strict=True):
        expected = 0.5 * plain.emotion.valence + 0.1
        assert moved.emotion.valence == pytest.approx(expected, abs=1e-5)
        assert moved.uncertainty[0] == pytest.approx(0.5 * plain.uncertainty[0], abs=1e-5)
        assert (moved.emotion.arousal, moved.clipped, moved.calibration) == (3.0, True, "test")


def test_an_unreadable_explanation_leaves_the_quick_reading_and_says_so(pictures, monkeypatch):
    answering(monkeypatch, ["no idea"])
    (quick,) = load_scorer().score(pictures[:1])
    (explained,) = load_scorer().explain(pictures[:1])
    assert explained.emotion == quick.emotion
    assert explained.cues == ()
    assert any(warning.startswith(UNEXPLAINED) for warning in explained.warnings)
    assert explained.raw_text == "no idea"
    assert explained.tokens == quick.tokens + 7


def test_a_foreign_picture_is_warned_about_in_its_own_reading_only(pictures, monkeypatch):
    odd = [False, True, False, True, True]
    monkeypatch.setattr(type(load_scorer().detector), "foreign", lambda *_: odd)
    found = [FOREIGN_WARNING in reading.warnings for reading in load_scorer().score(pictures)]
    assert found == odd


def test_the_detector_sees_every_size_at_its_own():
    for size in ((128, 128), (30, 50), (64, 64), (300, 65)):
        assert shrunk(torch.rand(2, *size, 3)).shape == (2, 3, SIZE, SIZE)
    assert ForeignNet().eval()(torch.rand(2, 3, SIZE, SIZE)).shape == (2,)


def test_the_artists_prompt_stays_literally_in_the_next_prompt(request_for):
    refined = load_scorer().refiner().refine(request_for("Ein  Boot; auf dem Meer, 夜."))
    assert refined.prompt.startswith("Ein  Boot; auf dem Meer, 夜")
    assert refined.clause and refined.clause in refined.prompt


def test_a_refiner_that_cannot_be_read_asks_again_and_then_lets_the_rules_speak(
    request_for, monkeypatch
):
    asked: list[Ask] = []
    answering(monkeypatch, ['{"suggestions": 5'] * 4, asked)
    refined = load_scorer().refiner().refine(request_for())
    assert [ask.seed for ask in asked] == [None, 1, 2, 3]
    assert refined.tokens == 28
    assert refined.refiner.startswith("rules")
    assert any("rule refiner wrote this prompt" in warning for warning in refined.warnings)
    assert refined.clause


def test_of_the_answers_that_can_be_read_the_one_expected_to_win_most_is_taken(
    request_for, monkeypatch
):
    clauses = ("among flowers", "under storm clouds, under storm clouds, in the rain", "in pastels")
    texts = ["hm", *(write_rewrite([], clause) for clause in clauses)]
    answering(monkeypatch, texts)
    refined = load_scorer().refiner().refine(request_for())
    assert (refined.refiner, refined.clause) == ("embedded", "under storm clouds, in the rain")
    assert (refined.raw_text, refined.tokens) == (texts[2], 28)


def test_cues_of_several_answers_are_put_together_where_that_should_win_more(
    request_for, monkeypatch
):
    clauses = ("under storm clouds", "reeling", "among flowers", "in pastel colours")
    answering(monkeypatch, [write_rewrite([], clause) for clause in clauses])
    refined = load_scorer().refiner().refine(request_for())
    named = {level.label for level in named_cues(refined.prompt) if level.phrases}
    assert named == {"dark storm sky", "reeling"}
    assert {each.cue for each in refined.suggestions} == named
    assert refined.prompt.startswith("a boat on the sea, ")


def test_a_prompt_that_came_near_is_drawn_again_rather_than_a_poor_proposal(
    request_for, monkeypatch, pictures
):
    storm = find_cue("sky", "storm")
    request = replace(request_for(), target=Emotion(storm.valence, storm.arousal))
    good, poor = (f"{request.prompt}, {clause}" for clause in ("under storm clouds", "sleeping"))
    state = replace(start_loop(request.artist_prompt, request.target), prompt=good)
    near, far = Reading(emotion=request.target), Reading(emotion=Emotion(0.5, -1.5))
    history = record_scores(state, pictures[:2], [near, near]).rounds
    answering(monkeypatch, [write_rewrite([], "among flowers")] * 4)
    refined = (
        load_scorer()
        .refiner()
        .refine(replace(request, prompt=poor, readings=(far, far), history=history))
    )
    assert (refined.prompt, refined.clause) == (good, "under storm clouds")
    assert refined.suggestions[0].text == "go back to the prompt of round 1"


def test_what_the_artist_settled_is_not_contradicted(request_for, monkeypatch):
    answer = '{"suggestions":[],"clause":"under storm clouds, in the rain"}'
    answering(monkeypatch, [answer] * 4)
    refined = load_scorer().refiner().refine(request_for("a boat on the sea at sunset"))
    assert refined.prompt == "a boat on the sea at sunset, in the rain"


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("swap storm clouds for storm clouds", False),
        ("swap storm clouds for a rainbow", True),
        ("add storm clouds", True),
    ],
)
def test_a_swap_of_a_cue_for_itself_is_kept_from_the_artist(request_for, monkeypatch, text, stays):
    answer = write_rewrite([Suggestion(text)], "in the rain")
    answering(monkeypatch, [answer] * 4)
    refined = load_scorer().refiner().refine(request_for())
    assert [each.text for each in refined.suggestions] == ([text] if stays else [])


def test_an_empty_prompt_is_refused(request_for):
    with pytest.raises(ConfigError, match="prompt is ''"):
        load_scorer().refiner().refine(replace(request_for(), artist_prompt=""))


def test_a_missing_or_damaged_model_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"lacks config.json.*train lvlm"):
        load_lvlm(tmp_path)
    for name in FILES:
        (tmp_path / name).write_bytes((FOLDER / "drawn_lvlm" / name).read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        load_lvlm(tmp_path)


def test_prompts_are_files_whose_values_must_all_be_given():
    assert "+1.0" in fill_prompt("drawn_refine_v1", prompt="x", valence="+1.0", arousal="-1.0")
    with pytest.raises(ConfigError, match="valence"):
        fill_prompt("drawn_refine_v1", prompt="x")
    with pytest.raises(ConfigError, match="Known: .*drawn_explain_v1"):
        load_prompt("nothing")
