"""Edits of one picture: how much is kept, and instructions in the place of prompts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.errors import ImageError
from emofeedback.loop.driver import run_loop
from emofeedback.loop.steps import start_loop
from emofeedback.lvlm.prompts import load_prompt
from emofeedback.reading.base import Scorer
from emofeedback.reading.editing import EditScorer, kept_share
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading
from emofeedback.records.request import RefineRequest, blind_request
from emofeedback.refining.cues import named_cues
from emofeedback.refining.instructions import SHOW
from emofeedback.refining.lvlm import LvlmRefiner

OWN = "Keep the boat where it is"


def picture(seed: int, height: int = 96, width: int = 128) -> torch.Tensor:
    """Blots of many sizes, [1, H, W, 3]."""
    draw = torch.Generator().manual_seed(seed)
    layers = [
        torch.nn.functional.interpolate(
            torch.rand(1, 1, side, side, generator=draw), (height, width), mode="bicubic"
        )
        for side in (4, 9, 20)
    ]
    return sum(layers).div(3).clamp(0, 1).movedim(1, -1).expand(-1, -1, -1, 3)


class Meter(Scorer):
    """Reads brightness as valence."""

    name = "meter"

    def score(self, images: torch.Tensor, *, prompt: str | None = None) -> list[Reading]:
        assert prompt is None, "no picture shows an instruction"
        return [Reading(emotion=Emotion(float(6 * i.mean() - 3), 0), model="meter") for i in images]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.floats(0.3, 1.0), st.floats(0.0, 0.4))
def test_light_and_colour_lose_nothing_and_other_shapes_are_another_picture(
    seed: int, contrast: float, lift: float
) -> None:
    original = picture(seed)
    tint = torch.tensor([1.0, 0.8, 0.6])
    dimmed = (contrast * original * tint + lift * 0.5).clamp(0, 1)
    night = 1 - dimmed
    other = picture(seed + 1000)
    half = torch.cat([dimmed[:, :48], other[:, 48:]], 1)
    same, light, dark, part, none = kept_share(
        original, torch.cat([original, dimmed, night, half, other])
    ).tolist()
    assert same > 0.97 and light > 0.9 and dark > 0.9
    assert none < 0.55 and none + 0.1 < part < light - 0.1


def test_an_edit_of_another_size_is_compared_as_a_whole() -> None:
    larger = torch.nn.functional.interpolate(picture(1).movedim(-1, 1), scale_factor=2.5)
    assert float(kept_share(picture(1), larger.movedim(1, -1))[0]) > 0.9
    with pytest.raises(ImageError, match="2 pictures came as the original"):
        EditScorer(Meter(), picture(1).expand(2, -1, -1, -1))


def test_a_loop_of_edits_writes_whole_instructions_behind_the_artists_words() -> None:
    scorer = EditScorer(Meter(), picture(3))
    state = start_loop(OWN, Emotion(2, -1), LoopPolicy(rounds=3, candidates=2, tolerance=0.0))
    refiner = scorer.refiner()
    assert "refine" in scorer.abilities
    first = refiner.refine(blind_request(OWN, Emotion(2, -1)))
    told: list[str] = []

    def edit(prompts, seed):
        told.extend(prompts[:1])
        return (picture(3) * (0.5 + 0.2 * len(told))).clamp(0, 1).expand(len(prompts), -1, -1, -1)

    *_, state = run_loop(edit, scorer, refiner, state)
    written = [first.prompt, *told[1:]]
    for words in written:
        assert words.startswith(f"{OWN}, {SHOW} ") and words.count(SHOW) == 1
        assert any(level.phrases for level in named_cues(words))
    contents = [r.content for record in state.rounds for r in record.readings]
    assert min(contents) > 0.8


class Scribe:
    """Writes one answer, and remembers what it was asked."""

    def __init__(self) -> None:
        from emofeedback.lvlm.base import PROMPT_SETS

        self.name, self.prompts, self.asked = "scribe", PROMPT_SETS["viewer_v1"], []

    def write(self, asks, watch):
        from emofeedback.lvlm.base import Written

        self.asked += asks
        return [Written('{"suggestions": [], "clause": "turn the noon light into dusk"}', 3)]

    def release(self) -> None:
        pass


class Writer(Meter):
    """A meter with a language model."""

    abilities = frozenset({"refine"})

    def __init__(self) -> None:
        self.scribe = Scribe()

    def refiner(self) -> LvlmRefiner:
        return LvlmRefiner(self.scribe)


def test_a_language_model_is_asked_for_commands_with_the_original_in_view() -> None:
    inner = Writer()
    original = picture(5)
    refiner = EditScorer(inner, original).refiner()
    refined = refiner.refine(blind_request(OWN, Emotion(-2, -1)))
    assert refined.prompt == f"{OWN}, turn the noon light into dusk"
    (ask,) = inner.scribe.asked
    assert torch.equal(ask.image, original[0])
    assert ask.question.startswith(load_prompt("viewer_edit_v1").split("$")[0])
    edited = RefineRequest(
        artist_prompt=OWN,
        prompt=refined.prompt,
        images=1 - original,
        readings=(Reading(emotion=Emotion(0, 0), model="meter"),),
        target=Emotion(-2, -1),
        best=0,
    )
    refiner.refine(edited)
    assert torch.equal(inner.scribe.asked[1].image, 1 - original[0])
    assert "turn the noon light into dusk" in inner.scribe.asked[1].question
