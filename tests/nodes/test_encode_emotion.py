"""Encode Emotion: every way and combination, on the embedded CLIP and on the layouts of others."""

import importlib
from types import ModuleType
from typing import Any

import pytest
import torch

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.records.emotion import Emotion

PROMPT = "a boat on the sea"
LONG = " ".join(["a boat on the sea"] * 5)  # with a clause it no longer fits 32 tokens
TARGET = Emotion(2.0, 1.0)
METHODS = (
    "adapter", "phrase", "anchors", "adapter + phrase", "adapter + anchors", "phrase + anchors",
    "adapter + phrase + anchors",
)  # fmt: skip
ADDABLE = {  # family: context, pooled width
    "sd15": ((1, 77, 768), 0),
    "sdxl": ((1, 77, 2048), 1280),
    "sd35": ((1, 154, 4096), 2048),
    "flux": ((1, 256, 4096), 768),
}


@pytest.fixture(scope="module")
def clip(pack_nodes: dict[str, type]) -> Any:
    return pack_nodes["EmoFB_LoadEmbedded"].execute().args[1]


@pytest.fixture(scope="module")
def mixing(pack: ModuleType) -> ModuleType:
    return importlib.import_module("custom_nodes.emofeedback.emofeedback.control.mixing")


def encode(pack_nodes: dict[str, type], clip: Any, prompt: str, strength: float, method: str):
    return pack_nodes["EmoFB_EncodeEmotion"].execute(clip, prompt, TARGET, strength, method).args[0]


def same(one: list[Any], other: list[Any]) -> bool:
    return all(
        torch.equal(a[0], b[0]) and torch.equal(a[1]["pooled_output"], b[1]["pooled_output"])
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("method", METHODS)
def test_strength_runs_smoothly_through_stock_and_beyond_one(
    comfyui: ModuleType, pack_nodes: dict[str, type], clip: Any, method: str
) -> None:
    stock = comfyui.CLIPTextEncode().encode(clip, PROMPT)[0]
    assert same(encode(pack_nodes, clip, PROMPT, 0.0, method), stock)
    (whole,) = encode(pack_nodes, clip, PROMPT, 1.0, method)
    moved = (whole[0] - stock[0][0]).norm()
    for strength in (-0.01, 0.01):
        (near,) = encode(pack_nodes, clip, PROMPT, strength, method)
        assert 0 < (near[0] - stock[0][0]).norm() < 0.05 * moved
    (more,) = encode(pack_nodes, clip, PROMPT, 1.5, method)
    assert (more[0] - stock[0][0]).norm() > 1.2 * moved


def test_adapter_and_anchors_share_the_strength(
    pack: ModuleType, pack_nodes: dict[str, type], clip: Any
) -> None:
    models = importlib.import_module("custom_nodes.emofeedback.nodes.comfy.embedded_models")
    adapter, felt = models.attached_adapter(clip), torch.tensor([[TARGET.valence, TARGET.arousal]])
    for strength in (-0.5, 1.0, 2.0):
        ((both, extra),) = encode(pack_nodes, clip, PROMPT, strength, "adapter + anchors")
        ((mixed, kept),) = encode(pack_nodes, clip, PROMPT, 0.825 * strength, "anchors")
        wanted = adapter(mixed, kept["pooled_output"], felt, 0.825 * strength)
        torch.testing.assert_close((both, extra["pooled_output"]), wanted, rtol=0, atol=1e-6)


def test_at_an_anchor_the_way_anchors_is_the_anchors_text(
    comfyui: ModuleType, pack_nodes: dict[str, type], clip: Any
) -> None:
    typed = "\n".join(f"in {colour} colours" for colour in ("pastel", "vivid", "grey", "cold"))
    anchors, texts = pack_nodes["EmoFB_EncodeAnchors"].execute(clip, PROMPT, "4", typed).args
    assert texts == typed
    encoder = pack_nodes["EmoFB_EncodeEmotion"]
    ours = encoder.execute(clip, PROMPT, Emotion(-3, 3), 1.0, "anchors", anchors).args[0]
    stock = comfyui.CLIPTextEncode().encode(clip, f"{PROMPT}, in vivid colours")[0]
    assert same(ours, stock)


def test_encode_anchors_is_stock_for_samplers_that_know_no_anchors(
    comfyui: ModuleType, pack_nodes: dict[str, type], clip: Any
) -> None:
    ours, texts = pack_nodes["EmoFB_EncodeAnchors"].execute(clip, PROMPT, "8", "").args
    assert same(ours, comfyui.CLIPTextEncode().encode(clip, PROMPT)[0])
    assert len(set(texts.splitlines())) == 8


def test_any_scorer_that_refines_writes_the_anchors(pack_nodes: dict[str, type], clip: Any) -> None:
    scorer = pack_nodes["EmoFB_LoadEmbedded"].execute().args[3]
    _, texts = pack_nodes["EmoFB_EncodeAnchors"].execute(clip, PROMPT, "4", "", scorer).args
    assert all(texts.splitlines()) and len(texts.splitlines()) == 4


def test_a_text_of_another_length_is_mixed_by_its_prediction(
    comfyui: ModuleType, pack_nodes: dict[str, type], clip: Any
) -> None:
    stock = comfyui.CLIPTextEncode().encode(clip, LONG)[0]
    ours = encode(pack_nodes, clip, LONG, 0.25, "phrase")
    lengths = [context.shape[1] for context, _ in ours]
    assert lengths[0] == stock[0][0].shape[1] != lengths[1]
    assert [extra["strength"] for _, extra in ours] == [0.75, 0.25]
    assert torch.equal(ours[0][0], stock[0][0])


@pytest.mark.parametrize("family", ADDABLE)
def test_layouts_of_one_length_are_added(mixing: ModuleType, family: str) -> None:
    shape, pooled = ADDABLE[family]
    entries = []
    for number in range(3):
        draw = torch.Generator().manual_seed(number)
        extra = {"of_a_pack": 5} | (
            {"pooled_output": torch.randn(1, pooled, generator=draw)} if pooled else {}
        )
        entries.append([torch.randn(shape, generator=draw), extra])
    weights = (0.5, 0.75, -0.25)
    (mixed,) = mixing.mix_conditionings([(w, [e]) for w, e in zip(weights, entries, strict=True)])
    wanted = sum(w * e[0].double() for w, e in zip(weights, entries, strict=True))
    torch.testing.assert_close(mixed[0].double(), wanted, atol=1e-6, rtol=0)
    assert mixed[1].keys() == entries[0][1].keys() and mixed[1]["of_a_pack"] == 5


@pytest.mark.parametrize(
    "extra",
    [
        {"attention_mask": torch.tensor([[1, 1, 0]])},  # Qwen-Image, Z-Image
        {"conditioning_llama3": torch.ones(1, 2, 3)},  # HiDream
        {},  # nothing to part them but the length
    ],
)
def test_layouts_that_cannot_be_added_become_weighted_entries(
    mixing: ModuleType, extra: dict[str, Any]
) -> None:
    long = [torch.ones(1, 3 if extra else 4, 6), extra]
    short = [torch.zeros(1, 3, 6), {key: value * 0 for key, value in extra.items()}]
    mixed = mixing.mix_conditionings([(0.25, [long]), (0.75, [short])])
    assert [entry[1]["strength"] for entry in mixed] == [0.25, 0.75]
    assert mixed[0][0] is long[0] and mixed[1][0] is short[0]


def test_what_cannot_be_encoded_is_refused(
    pack: ModuleType, pack_nodes: dict[str, type], clip: Any
) -> None:
    encode = pack_nodes["EmoFB_EncodeEmotion"].execute
    with pytest.raises(Exception, match="carries no anchors. Connect Encode Anchors"):
        encode(clip, PROMPT, TARGET, 1.0, "anchors", [[torch.zeros(1, 2, 3), {}]])
    models = importlib.import_module("custom_nodes.emofeedback.nodes.comfy.embedded_models")
    with pytest.raises(Exception, match="text embeddings of width 8 and 4; this CLIP's have"):
        encode(models.attach_adapter(clip, EmotionAdapter(8, 4)), PROMPT, TARGET, 1.0, "adapter")
    bare = clip.clone()
    bare.patcher.attachments = {}
    with pytest.raises(Exception, match="carries no emotion adapter"):
        encode(bare, PROMPT, TARGET, 1.0, "adapter + anchors")
    with pytest.raises(Exception, match="Anchor 2 of 4 .* has no text"):
        pack_nodes["EmoFB_EncodeAnchors"].execute(clip, PROMPT, "4", "one\n\nthree\nfour")
    with pytest.raises(Exception, match="prompt is ''"):
        pack_nodes["EmoFB_EncodeAnchors"].execute(clip, "", "8", "")
    with pytest.raises(Exception, match="strength is nan"):
        encode(clip, PROMPT, TARGET, float("nan"), "anchors")
