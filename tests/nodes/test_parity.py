"""The embedded models give the same numbers in ComfyUI as through diffusers and transformers."""

from types import ModuleType
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="diffusers asks for transformers 5")

from emofeedback.embedded import autoencoder, clip, generator

PROMPTS = (
    "a boat on the sea",
    "",
    "A Boat, on the SEA; under-a storm!",
    "xyzzy boat qwertz",
    " ".join(["a dark storm sky"] * 9),  # 36 words: two sections of 32 tokens
)


@pytest.fixture(scope="module")
def loaded(pack_nodes: dict[str, type]) -> tuple[Any, Any, Any]:
    """ComfyUI's own MODEL, CLIP and VAE."""
    return pack_nodes["EmoFB_LoadEmbedded"].execute().args[:3]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_comfyui_encodes_words_as_transformers_does(loaded: tuple, prompt: str) -> None:
    context, pooled = clip.encode_text([prompt])
    tokens = loaded[1].tokenize(prompt)
    there = loaded[1].encode_from_tokens(tokens, return_pooled=True)
    torch.testing.assert_close(there[0], context, atol=1e-5, rtol=0)
    torch.testing.assert_close(there[1], pooled, atol=1e-5, rtol=0)


def test_comfyui_decodes_and_encodes_pictures_as_diffusers_does(loaded: tuple) -> None:
    latents = torch.randn(2, 16, 6, 8, generator=torch.Generator().manual_seed(2))
    pictures = autoencoder.decode(latents)
    torch.testing.assert_close(loaded[2].decode(latents), pictures, atol=1e-5, rtol=0)
    there = loaded[2].encode(pictures)
    torch.testing.assert_close(there, autoencoder.encode(pictures), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("steps", "cfg", "emotion"), [(20, 3.0, (-2.0, 2.0)), (7, 1.0, None)])
def test_comfyui_samples_the_same_latents_as_diffusers(
    comfyui: ModuleType,
    loaded: tuple,
    steps: int,
    cfg: float,
    emotion: tuple[float, float] | None,
) -> None:
    import comfy.sample

    model, text_encoder, _ = loaded
    encode = comfyui.CLIPTextEncode().encode
    positive, negative = encode(text_encoder, PROMPTS[0])[0], encode(text_encoder, "")[0]
    ours = clip.encode_text([PROMPTS[0]])
    drawn = generator.load_generator()
    if emotion is not None:
        ours = drawn.adapter(*ours, torch.tensor([emotion]))
        positive = [[ours[0], {**positive[0][1], "pooled_output": ours[1]}]]
    noise = torch.randn(2, 16, 32, 32, generator=torch.Generator().manual_seed(3))
    there = comfy.sample.sample(
        model, noise, steps, cfg, "euler", "simple", positive, negative, torch.zeros_like(noise)
    )
    here = generator.sample_latents(
        drawn.transformer, ours, clip.encode_text([""]), noise,
        steps=steps, guidance=cfg, shift=drawn.config.shift,
    )  # fmt: skip
    assert here.std() > 0.1
    torch.testing.assert_close(there, here, atol=1e-3, rtol=0)


def test_previews_show_the_mean_colours_of_the_picture(loaded: tuple) -> None:
    latents = generator.sample_latents(
        generator.load_generator().transformer,
        clip.encode_text(["a boat on the sea"]),
        clip.encode_text([""]),
        torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(4)),
        steps=6,
        guidance=3.0,
        shift=3.0,
    )
    shown = loaded[0].model.latent_format
    factors = torch.tensor(shown.latent_rgb_factors)
    preview = latents.movedim(1, -1) @ factors + torch.tensor(shown.latent_rgb_factors_bias)
    picture = autoencoder.decode(latents).movedim(-1, 1)
    small = torch.nn.functional.avg_pool2d(picture, 8).movedim(1, -1)
    # previews are linear, the decoder is not: near in colour, not equal
    assert ((preview + 1) / 2 - small).abs().mean() < 0.08
