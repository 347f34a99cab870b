"""Emotion Sampler: KSampler's habits, pictures that change their feeling, and bad input."""

from types import ModuleType
from typing import Any

import pytest
import torch

from emofeedback.records.emotion import Emotion

PROMPT = "a boat on the sea"
DARK = Emotion(-3, 0)
WIDGETS = {"start_percent": 0.0, "end_percent": 1.0, "mix": "predictions"}
SIDE = 8


@pytest.fixture(scope="module")
def embedded(pack_nodes: dict[str, type]) -> tuple[Any, ...]:
    return pack_nodes["EmoFB_LoadEmbedded"].execute().args[:3]


@pytest.fixture(scope="module")
def prompt(pack_nodes: dict[str, type], embedded: tuple) -> list[Any]:
    return pack_nodes["EmoFB_EncodeAnchors"].execute(embedded[1], PROMPT, "8", "").args[0]


@pytest.fixture(scope="module")
def negative(comfyui: ModuleType, embedded: tuple) -> list[Any]:
    return comfyui.CLIPTextEncode().encode(embedded[1], "")[0]


@pytest.fixture
def sample(pack_nodes: dict[str, type], embedded: tuple, prompt: list, negative: list) -> Any:
    """sample(strength, latent, ...) -> latents of the Emotion Sampler."""

    def run(strength: float, latent: dict[str, Any], **changed: Any) -> torch.Tensor:
        inputs = {
            "model": embedded[0], "seed": 4, "steps": 4, "cfg": 3.0, "sampler_name": "euler",
            "scheduler": "simple", "positive": prompt, "latent_image": latent, "denoise": 1.0,
            "target": DARK, "negative": negative, **WIDGETS,
        }  # fmt: skip
        inputs |= {"strength": strength, **changed}
        return pack_nodes["EmoFB_EmotionSampler"].execute(**inputs).args[0]["samples"]

    return run


def empty(batch: int = 1) -> dict[str, Any]:
    return {"samples": torch.zeros(batch, 16, SIDE, SIDE)}


def test_strength_zero_is_ksampler(
    comfyui: ModuleType, embedded: tuple, prompt: list, negative: list, sample: Any
) -> None:
    stock = comfyui.KSampler().sample(
        embedded[0], 4, 4, 3.0, "euler", "simple", prompt, negative, empty()
    )[0]["samples"]
    assert torch.equal(sample(0.0, empty()), stock)
    assert not torch.equal(sample(0.5, empty()), stock)


def test_a_picture_is_the_same_alone_and_in_a_batch_of_its_seed(sample: Any) -> None:
    batch = sample(1.0, empty(3))
    third = sample(1.0, {**empty(), "batch_index": [2]})
    torch.testing.assert_close(batch[2:], third, atol=1e-4, rtol=0)


def test_the_noise_mask_keeps_what_it_covers(sample: Any) -> None:
    before = torch.randn(1, 16, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(1, 1, SIDE * 8, SIDE * 8)
    mask[..., SIDE * 4 :] = 1
    after = sample(1.0, {"samples": before, "noise_mask": mask})
    middle = SIDE // 2
    torch.testing.assert_close(after[..., :middle], before[..., :middle], atol=1e-5, rtol=0)
    assert (after - before)[..., middle:].abs().mean() > 0.1


def test_an_existing_picture_moves_further_with_strength(sample: Any) -> None:
    picture = {"samples": sample(0.0, empty())}
    kept = sample(0.0, picture, denoise=0.5)
    moved = [
        float((sample(strength, picture, denoise=0.5) - kept).norm()) for strength in (0.3, 0.6, 1)
    ]
    assert 0 < moved[0] < moved[1] < moved[2]
    assert moved[2] < float((sample(1.0, empty()) - kept).norm())  # it stays near the picture


def test_previews_come_at_every_step(
    comfyui: ModuleType, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import comfy.utils
    from comfy.cli_args import LatentPreviewMethod, args

    monkeypatch.setattr(args, "preview_method", LatentPreviewMethod.Latent2RGB)
    seen: list[tuple[int, int, bool]] = []

    def watch(value: int, total: int, preview: Any, **_: Any) -> None:
        seen.append((value, total, preview is not None))

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", watch)
    sample(1.0, empty())
    assert seen == [(step, 4, True) for step in (1, 2, 3, 4)]


def test_it_stops_where_the_artist_interrupts(comfyui: ModuleType, sample: Any) -> None:
    import comfy.model_management as management

    management.interrupt_current_processing(True)
    with pytest.raises(management.InterruptProcessingException):
        sample(1.0, empty())
    assert not management.processing_interrupted()


def test_baked_in_guidance_needs_no_negative(sample: Any) -> None:
    assert torch.isfinite(sample(1.0, empty(), cfg=1.0, negative=None)).all()
    with pytest.raises(Exception, match="cfg is 3.0, but no negative conditioning is connected"):
        sample(1.0, empty(), negative=None)


def test_batches_of_prompts_and_latents_may_differ(
    comfyui: ModuleType, pack_nodes: dict[str, type], embedded: tuple, prompt: list, sample: Any
) -> None:
    entry = prompt[0]
    pooled = entry[1]["pooled_output"]
    three = [[entry[0].repeat(3, 1, 1), {**entry[1], "pooled_output": pooled.repeat(3, 1)}]]
    one, two = sample(1.0, empty(2)), sample(1.0, empty(2), positive=three)
    torch.testing.assert_close(one, two, atol=1e-4, rtol=0)  # all three are the same prompt


def test_bad_conditionings_are_named(
    comfyui: ModuleType, pack_nodes: dict[str, type], embedded: tuple, prompt: list, sample: Any
) -> None:
    plain = comfyui.CLIPTextEncode().encode(embedded[1], PROMPT)[0]
    with pytest.raises(Exception, match="The positive conditioning is empty"):
        sample(1.0, empty(), positive=[])
    with pytest.raises(Exception, match="The positive conditioning carries no anchors"):
        sample(1.0, empty(), positive=plain)
    with pytest.raises(Exception, match="anchors input carries no anchors"):
        sample(1.0, empty(), positive=plain, anchors=plain)
    with pytest.raises(Exception, match="not finite"):
        sample(1.0, empty(), positive=[[prompt[0][0] * float("nan"), prompt[0][1]]])
    with pytest.raises(Exception, match="strength is nan"):
        sample(float("nan"), empty())
    with pytest.raises(Exception, match="start_percent 0.6 to end_percent 0.4"):
        sample(1.0, empty(), start_percent=0.6, end_percent=0.4)
    borrowed = sample(1.0, empty(), positive=plain, anchors=prompt)
    assert torch.equal(borrowed, sample(1.0, empty()))


def test_the_patch_says_what_it_misses(
    comfyui: ModuleType, pack_nodes: dict[str, type], embedded: tuple, negative: list
) -> None:
    patch = pack_nodes["EmoFB_EmotionModelPatch"].execute
    model = patch(embedded[0], target=DARK, strength=1.0, **WIDGETS).args[0]
    plain = comfyui.CLIPTextEncode().encode(embedded[1], PROMPT)[0]
    run = comfyui.KSampler().sample
    with pytest.raises(Exception, match="The positive conditioning carries no anchors"):
        run(model, 4, 2, 3.0, "euler", "simple", plain, negative, empty())
    with pytest.raises(Exception, match="The positive conditioning is empty"):
        run(model, 4, 2, 3.0, "euler", "simple", [], negative, empty())
    with pytest.raises(Exception, match="anchors input carries no anchors"):
        patch(embedded[0], anchors=plain, target=DARK, strength=1.0, **WIDGETS)
