"""Loop and score nodes in this process: bad pictures, early ends, the size of the history."""

import json
from typing import Any

import pytest
import torch

PROMPT = "a boat on the sea"


@pytest.fixture(scope="module")
def scorer(pack_nodes: dict[str, type]) -> Any:
    return pack_nodes["EmoFB_LoadEmbedded"].execute().args[3]


@pytest.fixture
def state(pack_nodes: dict[str, type]) -> Any:
    return start(pack_nodes)


def wanted(pack_nodes: dict[str, type]) -> Any:
    return pack_nodes["EmoFB_EmotionTarget"].execute(1.0, -1.0, "custom").args[0]


def start(pack_nodes: dict[str, type], **settings: Any) -> Any:
    node = pack_nodes["EmoFB_StartLoop"]
    policy = {"rounds": 3, "candidates": 2, "tolerance": 0.0, **settings}
    node.hidden = _NoHidden
    return node.execute(PROMPT, wanted(pack_nodes), 0, **policy).args[0]


class _NoHidden:
    dynprompt = None


def pictures(count: int = 2, size: int = 64, channels: int = 3) -> torch.Tensor:
    return torch.rand(count, size, size, channels, generator=torch.Generator().manual_seed(0))


BAD_PICTURES = {
    "none": (None, "No images arrived"),
    "empty batch": (torch.zeros(0, 64, 64, 3), "0 images"),
    "one pixel": (torch.zeros(2, 1, 1, 3), "1 x 1 pixels"),
    "NaN": (torch.full((2, 64, 64, 3), float("nan")), "NaN or infinite"),
    "one plane": (torch.zeros(2, 64, 64), "shape"),
    "grey": (torch.zeros(2, 64, 64, 1), "shape"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_pictures_that_cannot_be_read_are_refused(
    name: str, pack_nodes: dict[str, type], scorer: Any, state: Any
) -> None:
    images, message = BAD_PICTURES[name]
    with pytest.raises(ValueError, match=message):
        pack_nodes["EmoFB_ScoreRound"].execute(state, images, scorer, False)
    with pytest.raises(ValueError, match=message):
        pack_nodes["EmoFB_ScoreEmotion"].execute(images, scorer)


@pytest.mark.parametrize(
    "images",
    [pictures(channels=4), pictures().double(), pictures().half(), pictures() * 3 - 1],
    ids=["RGBA", "float64", "float16", "beyond 0..1"],
)
def test_unusual_pictures_are_read(
    images: torch.Tensor, pack_nodes: dict[str, type], scorer: Any, state: Any
) -> None:
    scored, readings = pack_nodes["EmoFB_ScoreRound"].execute(state, images, scorer, False).args
    assert len(readings) == 2
    assert scored["round"] == 1


def test_the_state_shows_comfyui_only_its_digest(
    pack_nodes: dict[str, type], scorer: Any, state: Any
) -> None:
    from comfy_execution.caching import to_hashable

    score = pack_nodes["EmoFB_ScoreRound"]
    one, other = (score.execute(state, pictures(), scorer, False).args[0] for _ in range(2))
    assert to_hashable(one) == to_hashable(other) != to_hashable(state)
    assert len(str(one)) < 200  # error reports print inputs


def test_a_finished_loop_is_not_refined_further(pack_nodes: dict[str, type], scorer: Any) -> None:
    state = start(pack_nodes, rounds=1)
    done = pack_nodes["EmoFB_ScoreRound"].execute(state, pictures(), scorer, False).args[0]
    refined, prompt, suggestions = pack_nodes["EmoFB_RefineRound"].execute(done).args
    assert refined is done
    assert (prompt, suggestions) == (PROMPT, "")


@pytest.mark.parametrize("use_model", [False, True], ids=["rules", "model"])
def test_the_artists_words_stay_in_the_next_prompt(
    use_model: bool, pack_nodes: dict[str, type], scorer: Any, state: Any
) -> None:
    scored = pack_nodes["EmoFB_ScoreRound"].execute(state, pictures(), scorer, False).args[0]
    refiner = scorer if use_model else None
    refined, prompt, _ = pack_nodes["EmoFB_RefineRound"].execute(scored, refiner).args
    assert prompt.startswith(PROMPT)
    assert pack_nodes["EmoFB_OpenRound"].execute(refined).args[1:4] == (prompt, 1, 2)


def test_as_written_is_the_loop_that_old_graphs_have(
    pack_nodes: dict[str, type], scorer: Any, state: Any
) -> None:
    same = start(pack_nodes, first_prompt="as written", refiner=scorer)
    assert (same.digest, same.prompt, same.first_refinement) == (state.digest, PROMPT, None)


@pytest.mark.parametrize("use_model", [False, True], ids=["rules", "model"])
def test_the_first_round_may_draw_a_prompt_rewritten_for_the_target(
    use_model: bool, pack_nodes: dict[str, type], scorer: Any, state: Any
) -> None:
    refiner = scorer if use_model else None
    begun = start(pack_nodes, first_prompt="rewritten", refiner=refiner)
    assert begun.prompt.startswith(f"{PROMPT}, ") and begun.artist_prompt == PROMPT
    assert (begun.first_refinement.refiner == "rules") is not use_model
    assert begun.digest != state.digest
    scored = pack_nodes["EmoFB_ScoreRound"].execute(begun, pictures(), scorer, False).args[0]
    assert scored.rounds[0].prompt == begun.prompt
    opened = pack_nodes["EmoFB_OpenRound"].execute(scored).args
    assert opened[1] == begun.prompt, "without Refine Round the rewritten prompt stays"


def test_the_whole_loop_in_one_node_begins_as_start_loop_does(
    pack_nodes: dict[str, type], scorer: Any
) -> None:
    model, clip, vae, _ = pack_nodes["EmoFB_LoadEmbedded"].execute().args
    settings = {
        "model": model, "clip": clip, "vae": vae, "scorer": scorer, "refiner": scorer,
        "target": wanted(pack_nodes), "prompt": PROMPT, "negative": "", "prompts": "shared",
        "emotion_strength": 0.0, "seed": 0, "width": 64, "height": 64, "steps": 1, "cfg": 1.0,
        "sampler_name": "euler", "scheduler": "simple", "rounds": 1, "candidates": 1,
    }  # fmt: skip
    node = pack_nodes["EmoFB_EmotionFeedback"]
    plain, rewritten = (
        json.loads(node.execute(**settings, **chosen).args[4])
        for chosen in ({}, {"first_prompt": "rewritten"})
    )
    assert (plain["rounds"][0]["prompt"], plain["first_refinement"]) == (PROMPT, None)
    wired = start(pack_nodes, first_prompt="rewritten", refiner=scorer)
    assert rewritten["rounds"][0]["prompt"] == wired.prompt
    assert rewritten["first_refinement"]["prompt"] == wired.prompt
    spent = [each["cost"]["tokens"] - each["rounds"][0]["tokens"] for each in (plain, rewritten)]
    assert spent == [0, wired.first_refinement.tokens] and spent[1] > 0


def test_selection_ranks_by_distance_to_the_target(
    pack_nodes: dict[str, type], scorer: Any
) -> None:
    images = pictures(5)
    readings = pack_nodes["EmoFB_ScoreEmotion"].execute(images, scorer).args[0]
    target = readings[3].emotion
    chosen, kept = pack_nodes["EmoFB_SelectByEmotion"].execute(images, readings, target, 2).args
    assert torch.equal(chosen[0], images[3])
    gaps = [target.gap_from(reading.emotion).size for reading in kept]
    assert gaps == sorted(gaps)
    with pytest.raises(ValueError, match="5 images came with 4 readings"):
        pack_nodes["EmoFB_SelectByEmotion"].execute(images, readings[:4], target, 2)


def test_a_chart_needs_something_to_draw(pack_nodes: dict[str, type], scorer: Any) -> None:
    chart = pack_nodes["EmoFB_EmotionChart"]
    with pytest.raises(ValueError, match="nothing to draw"):
        chart.execute(320, "light")
    readings = pack_nodes["EmoFB_ScoreEmotion"].execute(pictures(), scorer).args[0]
    assert chart.execute(320, "dark", readings=readings).args[0].shape == (1, 320, 320, 3)


def test_the_grid_lies_like_the_plane(pack_nodes: dict[str, type]) -> None:
    emotions, texts = pack_nodes["EmoFB_EmotionGrid"].execute(3, 3.0).args
    points = [(emotion.valence, emotion.arousal) for emotion in emotions]
    assert points == [(v, a) for a in (3, 0, -3) for v in (-3, 0, 3)]
    assert len(texts) == 9


def test_a_word_stands_for_its_place_on_the_plane(pack_nodes: dict[str, type]) -> None:
    emotion, text = pack_nodes["EmoFB_EmotionTarget"].execute(3.0, 3.0, "sad").args
    assert emotion.valence < emotion.arousal < 0
    assert "valence" in text
