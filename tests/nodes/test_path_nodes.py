"""Emotion Path, Batch Conditionings, Emotion Sheet and Emotion Of Text in ComfyUI."""

from types import ModuleType
from typing import Any

import pytest
import torch

CORNERS = "1 1, -1 1, -1 -1, 1 -1"


@pytest.fixture(scope="module")
def drawn(comfyui: ModuleType, pack_nodes: dict[str, type]) -> tuple:
    """MODEL, CLIP, VAE and scorer that ship."""
    return pack_nodes["EmoFB_LoadEmbedded"].execute().args


def path_of(pack_nodes: dict[str, type], points: int = 4, **shape: Any) -> list:
    shape = shape or {"shape": "line", "stations": CORNERS}
    return pack_nodes["EmoFB_EmotionPath"].execute(points, 100, shape).args


def sampled(comfyui: ModuleType, model: Any, positive: Any, negative: Any, latent: Any) -> Any:
    sampler = comfyui.KSampler()
    return sampler.sample(model, 5, 2, 3.0, "euler", "simple", positive, negative, latent)[0]


def test_one_batch_makes_the_pictures_that_single_runs_make(
    comfyui: ModuleType, pack_nodes: dict[str, type], drawn: tuple
) -> None:
    model, clip = drawn[:2]
    emotions, texts, count = path_of(pack_nodes, 3)
    assert count == len(texts) == 3
    encode = pack_nodes["EmoFB_EncodeEmotion"].execute
    each = [
        encode(clip, "a boat on the sea", emotion, 1.0, "adapter").args[0] for emotion in emotions
    ]
    (negative,) = comfyui.CLIPTextEncode().encode(clip, "")
    empty = {"samples": torch.zeros(1, 16, 8, 8)}
    batch, latent = pack_nodes["EmoFB_BatchConditionings"].execute(each, [empty], [True]).args
    together = sampled(comfyui, model, batch, negative, latent)["samples"]
    alone = [sampled(comfyui, model, one, negative, empty)["samples"] for one in each]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)
    assert (alone[0] - alone[1]).abs().max() > 0.01  # the emotion does something

    own = pack_nodes["EmoFB_BatchConditionings"].execute(each, [empty], [False]).args[1]
    different = sampled(comfyui, model, batch, negative, own)["samples"]
    torch.testing.assert_close(different[0], together[0], atol=1e-4, rtol=1e-4)
    assert (different[1] - together[1]).abs().max() > 0.01


def entry(tokens: int = 4, **extra: Any) -> list:
    return [[torch.zeros(1, tokens, 8), {"pooled_output": torch.zeros(1, 8), **extra}]]


@pytest.mark.parametrize(
    ("conditionings", "message"),
    [
        (
            [entry(4), entry(5)],
            r"differ in tokens \(1 x 4 x 8, 1 x 5 x 8\).*straight to the sampler",
        ),
        ([entry(), entry() * 2], "have 1, 2 parts"),
        ([[], []], "have 0 parts"),
        ([entry(), entry(guidance=3.5)], "Only some of the conditionings carry guidance"),
        ([entry(guidance=2.5), entry(guidance=3.5)], "differ in guidance"),
    ],
)
def test_what_does_not_fit_into_one_batch_says_why(
    pack_nodes: dict[str, type], conditionings: list, message: str
) -> None:
    latent = {"samples": torch.zeros(1, 16, 8, 8)}
    with pytest.raises(Exception, match=message):
        pack_nodes["EmoFB_BatchConditionings"].execute(conditionings, [latent], [True])


def test_what_conditionings_share_survives_in_the_batch(pack_nodes: dict[str, type]) -> None:
    control = object()
    each = [entry(guidance=3.5, control=control, start_percent=0.2) for _ in range(3)]
    latent = {"samples": torch.ones(1, 16, 8, 8), "noise_mask": torch.ones(1, 1, 8, 8)}
    ((context, extra),), many = (
        pack_nodes["EmoFB_BatchConditionings"].execute(each, [latent], [True]).args
    )
    assert context.shape == (3, 4, 8) and extra["pooled_output"].shape == (3, 8)
    assert (extra["guidance"], extra["control"], extra["start_percent"]) == (3.5, control, 0.2)
    assert many["samples"].shape[0] == many["noise_mask"].shape[0] == 3
    assert many["batch_index"] == [0, 0, 0]
    two = {"samples": torch.zeros(2, 16, 8, 8)}
    with pytest.raises(Exception, match="batch of 2 for 3 conditionings"):
        pack_nodes["EmoFB_BatchConditionings"].execute(each, [two], [True])


@pytest.mark.parametrize(
    ("shape", "points", "message"),
    [
        ({"shape": "line", "stations": "sad, hapy"}, 5, "'hapy'. Did you mean 'happy'"),
        ({"shape": "circle", "radius": float("nan"), "start_degrees": 0.0, "clockwise": False}, 5,
         "radius is nan"),
        ({"shape": "line", "stations": CORNERS}, 5000, "5000 points.*5000 times what one costs"),
        ({"shape": "line", "stations": CORNERS}, 1, "it needs two or more"),
    ],
)  # fmt: skip
def test_a_path_is_refused_before_anything_runs(
    pack_nodes: dict[str, type], shape: dict, points: int, message: str
) -> None:
    node = pack_nodes["EmoFB_EmotionPath"]
    told = node.validate_inputs(shape=shape, points=points, limit=100)
    with pytest.raises(Exception, match=message) as error:
        node.execute(points, 100, shape)
    assert str(error.value) == told


def test_a_path_behind_links_is_checked_when_it_runs(pack_nodes: dict[str, type]) -> None:
    node = pack_nodes["EmoFB_EmotionPath"]
    assert node.validate_inputs(shape={"shape": "line"}, limit=100) is True
    assert node.validate_inputs(points=5000, limit=5000) is True
    with pytest.raises(
        Exception, match="shape of the path is unknown. Known: line, spline, circle"
    ):
        node.execute(5, 100, None)


def test_a_path_may_start_from_the_mood_of_a_prompt(pack_nodes: dict[str, type]) -> None:
    mood = pack_nodes["EmoFB_EmotionOfText"].execute("a sad boat").args[0]
    shape = {"shape": "line", "stations": "1 1", "start": mood}
    assert pack_nodes["EmoFB_EmotionPath"].validate_inputs(shape=shape, points=3, limit=9) is True
    path = path_of(pack_nodes, 3, **shape)[0]
    assert (path[0], path[-1].valence) == (mood, 1)
    with pytest.raises(Exception, match="needs two or more places"):
        path_of(pack_nodes, 3, shape="line", stations="1 1")


def test_pictures_come_to_the_sheet_as_a_list_or_as_a_batch(pack_nodes: dict[str, type]) -> None:
    emotions = path_of(pack_nodes)[0]
    pictures = torch.rand(4, 16, 16, 3, generator=torch.Generator().manual_seed(1))
    node = pack_nodes["EmoFB_EmotionSheet"]
    batch, single = (
        node.execute(images, emotions, ["in order"], [320]).args[0]
        for images in ([pictures], list(pictures.split(1)))
    )
    assert torch.equal(batch, single)
    with pytest.raises(Exception, match="different sizes.*16 x 16, 8 x 8"):
        node.execute([pictures, torch.rand(1, 8, 8, 3)], emotions, ["in order"], [320])


def test_the_mood_of_a_prompt_is_read_by_table_where_no_model_reads_words(
    pack_nodes: dict[str, type], drawn: tuple
) -> None:
    node = pack_nodes["EmoFB_EmotionOfText"]
    emotion, text, readings = node.execute("a sad boat").args
    assert readings[0].emotion == emotion and emotion.valence < -1 and "sad" in text
    same, told, _ = node.execute("a sad boat", drawn[3]).args
    assert same == emotion and "'embedded' reads pictures only" in told
    with pytest.raises(Exception, match="nothing to picture"):
        node.execute("  ")


def test_a_lexicon_of_the_artists_own_reads_where_it_is_chosen(pack_nodes, tmp_path, monkeypatch):
    import folder_paths

    node = pack_nodes["EmoFB_EmotionOfText"]
    (tmp_path / "lexicons").mkdir()
    (tmp_path / "lexicons" / "own.txt").write_text(
        "moor\t0.25\t0.5\t0\nsea\t1\t0\t0\n", encoding="utf-8"
    )
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "emotion", ([str(tmp_path)], set()))
    lexicon = node.GET_SCHEMA().inputs[-1]
    assert (lexicon.id, lexicon.default) == ("lexicon", lexicon.options[0])
    assert "own.txt" in node.define_schema().inputs[-1].options
    emotion, text, _ = node.execute("a moor", lexicon="own.txt").args
    assert (emotion.valence, emotion.arousal) == (-1.5, 0)
    assert text.endswith("own.txt knows 1 of 2 words.")
    assert node.execute("ein Boot", lexicon="own.txt").args[1].startswith("unknown\n")
    with pytest.raises(ValueError, match="There is no lexicon 'gone.csv' .there: own.txt"):
        node.execute("a moor", lexicon="gone.csv")
