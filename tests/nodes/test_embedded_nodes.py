"""The embedded models as ComfyUI's own objects, and conditioning with an emotion."""

import gc
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

PROMPT = "a boat on the sea"


@pytest.fixture(scope="module")
def loaded(pack_nodes: dict[str, type]) -> tuple:
    """MODEL, CLIP, VAE and scorer."""
    return pack_nodes["EmoFB_LoadEmbedded"].execute().args


@pytest.fixture(scope="module")
def stormy(pack_nodes: dict[str, type]) -> Any:
    return pack_nodes["EmoFB_EmotionTarget"].execute(-2.0, 2.0, "custom").args[0]


def stock_encode(comfyui: ModuleType, clip: Any, text: str) -> list:
    return comfyui.CLIPTextEncode().encode(clip, text)[0]


def same(one: list, other: list) -> bool:
    return all(
        torch.equal(a[0], b[0]) and torch.equal(a[1]["pooled_output"], b[1]["pooled_output"])
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("method", ["adapter", "phrase"])
def test_strength_zero_is_clip_text_encode_bit_for_bit(
    comfyui: ModuleType, pack_nodes: dict[str, type], loaded: tuple, stormy: Any, method: str
) -> None:
    encode = pack_nodes["EmoFB_EncodeEmotion"]
    ours = encode.execute(loaded[1], PROMPT, stormy, 0.0, method).args[0]
    assert same(ours, stock_encode(comfyui, loaded[1], PROMPT))


@pytest.mark.parametrize("method", ["adapter", "phrase"])
def test_strength_is_continuous_at_zero(
    comfyui: ModuleType, pack_nodes: dict[str, type], loaded: tuple, stormy: Any, method: str
) -> None:
    encode, plain = pack_nodes["EmoFB_EncodeEmotion"], stock_encode(comfyui, loaded[1], PROMPT)
    changes = [
        (encode.execute(loaded[1], PROMPT, stormy, strength, method).args[0][0][0] - plain[0][0])
        .abs()
        .max()
        for strength in (0.001, 1.0)
    ]
    assert 0 < changes[0] <= 0.002 * changes[1]


def test_models_that_stay_loaded_leave_nothing_behind_with_each_use(
    comfyui: ModuleType, loaded: tuple
) -> None:
    # A patcher with a parent would: each time that it is asked for, until it dies.
    from comfy.model_management import LoadedModel

    def use() -> int:
        model, clip, vae = loaded[:3]
        prompt, empty = stock_encode(comfyui, clip, PROMPT), comfyui.EmptyLatentImage()
        latents = empty.generate(32, 32)[0]
        made = comfyui.common_ksampler(model, 1, 1, 1.0, "euler", "simple", prompt, prompt, latents)
        comfyui.VAEDecode().decode(vae, made[0])
        gc.collect()
        return sum(type(one) is LoadedModel for one in gc.get_objects())

    assert use() == use()


def test_the_number_of_tokens_never_changes(
    comfyui: ModuleType, pack_nodes: dict[str, type], loaded: tuple, stormy: Any
) -> None:
    ours = pack_nodes["EmoFB_EncodeEmotion"].execute(loaded[1], PROMPT, stormy, 1.0).args[0]
    assert ours[0][0].shape == stock_encode(comfyui, loaded[1], PROMPT)[0][0].shape


def test_copies_of_the_clip_carry_the_adapter(
    pack_nodes: dict[str, type], loaded: tuple, stormy: Any
) -> None:
    encode = pack_nodes["EmoFB_EncodeEmotion"]
    one = encode.execute(loaded[1], PROMPT, stormy, 1.0).args[0]
    assert same(encode.execute(loaded[1].clone(), PROMPT, stormy, 1.0).args[0], one)


def test_a_clip_without_adapter_is_told_the_way_out(
    pack_nodes: dict[str, type], loaded: tuple, stormy: Any
) -> None:
    plain = loaded[1].clone()
    plain.patcher.attachments.clear()
    encode = pack_nodes["EmoFB_EncodeEmotion"]
    with pytest.raises(ValueError, match="carries no emotion adapter.*set method to 'phrase'"):
        encode.execute(plain, PROMPT, stormy, 1.0)
    encode.execute(plain, PROMPT, stormy, 1.0, "phrase")


def test_a_lora_loader_takes_the_model_and_keeps_the_adapter(
    comfyui: ModuleType, pack_nodes: dict[str, type], loaded: tuple, stormy: Any
) -> None:
    import comfy.sd

    key = "transformer.transformer_blocks.0.attn.to_q"
    width = loaded[0].model.diffusion_model.x_embedder.proj.weight.shape[0]
    lora = {
        f"{key}.lora_A.weight": torch.randn(4, width),
        f"{key}.lora_B.weight": torch.randn(width, 4),
    }
    model, clip = comfy.sd.load_lora_for_models(loaded[0], loaded[1], lora, 1.0, 1.0)
    assert len(model.patches) == 1
    pack_nodes["EmoFB_EncodeEmotion"].execute(clip, PROMPT, stormy, 1.0)


def test_loading_twice_gives_the_same_objects(pack_nodes: dict[str, type], loaded: tuple) -> None:
    again = pack_nodes["EmoFB_LoadEmbedded"].execute().args
    assert all(one is other for one, other in zip(again, loaded, strict=True))


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("two dogs in the park, foggy", ["two"]),
        ("a boat \U0001f436 on the sea \u2192 \u20ac, a boat", ["\U0001f436", "\u2192", "\u20ac"]),
        ("A man and his bike by the river", ["his", "person and bicycle"]),
        ("ships at the coast, snowing, (women:1.2)", ["boat and person"]),
        ("a woman in the garden, at golden hour, among flowers; sunny!", []),
    ],
)
def test_what_a_prompt_asks_too_much_is_told(
    pack: ModuleType, prompt: str, told: list[str]
) -> None:
    import importlib

    warning = importlib.import_module(f"{pack.__name__}.nodes.comfy.embedded_models").prompt_warning
    text = warning(prompt)
    assert all(each in text for each in told) and bool(text) == bool(told), text
    assert ("one subject" in text) == any(" and " in each for each in told)


def test_a_damaged_weight_file_is_named(
    pack: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: tuple
) -> None:
    import importlib

    weights = importlib.import_module(f"{pack.__name__}.emofeedback.embedded.weights")
    models = importlib.import_module(f"{pack.__name__}.nodes.comfy.embedded_models")
    copy = tmp_path / "weights"
    shutil.copytree(weights.FOLDER, copy)
    file = copy / "drawn_generator.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    monkeypatch.setattr(weights, "FOLDER", copy)
    with pytest.raises(Exception, match="drawn_generator.safetensors is damaged.*again"):
        models.load_embedded_models(models.file_stamps())
    file.unlink()
    with pytest.raises(Exception, match="missing.*train generator"):
        models.load_embedded_models(models.file_stamps())
    monkeypatch.undo()
    models.load_embedded_models(models.file_stamps())
