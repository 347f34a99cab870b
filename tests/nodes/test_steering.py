"""Emotion on models it was not made for: guider, patch and sampler on tiny native families."""

from types import ModuleType
from typing import Any

import pytest
import torch
from native_models import LAYOUTS, load_controlnet, load_model, text

from emofeedback.records.emotion import Emotion

SIDE, BATCH, STEPS = 4, 2, 2
WIDGETS = {"start_percent": 0.0, "end_percent": 1.0, "mix": "predictions"}
GENERIC = Emotion(2.0, 1.0)  # between two anchors and the middle
HALFWAY = Emotion(1.5, 0.0)


@pytest.fixture(scope="module", params=LAYOUTS)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(comfyui: ModuleType, family: str) -> Any:
    return load_model(family)


@pytest.fixture(scope="module")
def prompt(pack: ModuleType, family: str) -> list[Any]:
    """A prompt with eight anchors."""
    return with_anchors([text(family, 0)], family)


def with_anchors(conditioning: list[Any], family: str) -> list[Any]:
    module = steering()
    found = module.EncodedAnchors(
        text(family, 0), tuple(text(family, number) for number in range(1, 9)), ("words",) * 8
    )
    return module.attach_anchors(conditioning, found)


def steering() -> ModuleType:
    import importlib

    return importlib.import_module("custom_nodes.emofeedback.nodes.comfy.steering")


def sample(comfyui: ModuleType, model: Any, positive: list[Any], family: str, steps: int = STEPS):
    """KSampler's latents of a batch."""
    layout = LAYOUTS[family]
    latent = {"samples": torch.zeros(BATCH, layout.channels, SIDE, SIDE)}
    negative = [text(family, 99)]
    return comfyui.common_ksampler(
        model, 5, steps, layout.cfg, "euler", "simple", positive, negative, latent
    )[0]["samples"]


def steered(
    comfyui: ModuleType,
    pack_nodes: dict[str, type],
    model: Any,
    positive: list[Any],
    family: str,
    target: Emotion = GENERIC,
    strength: float = 1.0,
    *,
    steps: int = STEPS,
    **widgets: Any,
) -> torch.Tensor:
    """The same through the Emotion Model Patch."""
    settings = {**WIDGETS, "target": target, "strength": strength, **widgets}
    patched = pack_nodes["EmoFB_EmotionModelPatch"].execute(model, **settings).args[0]
    return sample(comfyui, patched, positive, family, steps)


def test_strength_zero_and_neutral_are_stock_bit_for_bit(
    comfyui: ModuleType, pack_nodes: dict, model: Any, prompt: list, family: str
) -> None:
    stock = sample(comfyui, model, [text(family, 0)], family)
    for target, strength in ((GENERIC, 0.0), (Emotion(0, 0), 1.0)):
        ours = steered(comfyui, pack_nodes, model, prompt, family, target, strength)
        assert torch.equal(ours, stock)
    assert torch.equal(sample(comfyui, model, prompt, family), stock)  # nobody steers
    assert torch.isfinite(stock).all()


def test_the_strength_is_continuous_through_zero(
    comfyui: ModuleType, pack_nodes: dict, model: Any, prompt: list, family: str
) -> None:
    stock = sample(comfyui, model, prompt, family)
    whole = (steered(comfyui, pack_nodes, model, prompt, family) - stock).norm()
    assert whole > 1e-3 * stock.norm()
    for strength in (-1e-3, 1e-3):
        ours = steered(comfyui, pack_nodes, model, prompt, family, strength=strength)
        assert 0 < (ours - stock).norm() < 0.02 * whole


def test_one_step_is_the_weighted_mean_of_the_texts_own_steps(
    comfyui: ModuleType, pack_nodes: dict, model: Any, prompt: list, family: str
) -> None:
    # an Euler step is linear in the prediction, so the mix can be made from pictures instead
    corners = [sample(comfyui, model, [text(family, n)], family, steps=1) for n in (0, 1, 2)]
    ours = steered(comfyui, pack_nodes, model, prompt, family, steps=1)
    wanted = (corners[0] + corners[1] + corners[2]) / 3  # (2, 1) = (3, 0) / 3 + (3, 3) / 3
    torch.testing.assert_close(ours, wanted, atol=2e-4, rtol=1e-4)


def test_other_words_than_the_neutral_prompt_get_the_difference(
    comfyui: ModuleType, pack_nodes: dict, model: Any, family: str
) -> None:
    other = text(family, 3 * 17)  # as long as text 0 where lengths differ
    own, neutral, anchor = (
        sample(comfyui, model, [each], family, steps=1)
        for each in (other, text(family, 0), text(family, 1))
    )
    positive = with_anchors([other], family)
    ours = steered(comfyui, pack_nodes, model, positive, family, HALFWAY, steps=1)
    torch.testing.assert_close(ours, own + (anchor - neutral) / 2, atol=2e-4, rtol=1e-4)


def test_guider_sampler_and_patch_agree(
    comfyui: ModuleType, pack_nodes: dict, model: Any, prompt: list, family: str
) -> None:
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced

    layout = LAYOUTS[family]
    patched = steered(comfyui, pack_nodes, model, prompt, family)
    settings = {**WIDGETS, "target": GENERIC, "strength": 1.0}
    negative = {} if layout.cfg == 1 else {"negative": [text(family, 99)]}  # as wired by artists
    latent = {"samples": torch.zeros(BATCH, layout.channels, SIDE, SIDE)}
    sampled = pack_nodes["EmoFB_EmotionSampler"].execute(
        model, 5, STEPS, layout.cfg, "euler", "simple", prompt, latent, 1.0,
        **settings, **negative,
    ).args[0]["samples"]  # fmt: skip
    assert torch.equal(sampled, patched)
    guider = pack_nodes["EmoFB_EmotionGuider"].execute(
        model, prompt, layout.cfg, **settings, **negative
    ).args[0]  # fmt: skip
    sigmas = comfy.samplers.calculate_sigmas(
        model.get_model_object("model_sampling"), "simple", STEPS
    )
    sampler = comfy.samplers.sampler_object("euler")
    guided = SamplerCustomAdvanced.execute(Noise_RandomNoise(5), guider, sampler, sigmas, latent)
    assert torch.equal(guided.args[0]["samples"], patched)


@pytest.fixture
def forwards(model: Any) -> tuple[Any, list[int]]:
    """The model, and how many predictions each of its forward passes made, in texts."""
    counts: list[int] = []
    watched = model.clone()

    def count(apply: Any, call: dict[str, Any]) -> torch.Tensor:
        counts.append(len(call["cond_or_uncond"]))
        return apply(call["input"], call["timestep"], **call["c"])

    watched.set_model_unet_function_wrapper(count)
    return watched, counts


def test_all_texts_go_in_one_forward_and_zero_weights_are_skipped(
    comfyui: ModuleType, pack_nodes: dict, forwards: tuple, prompt: list, family: str
) -> None:
    model, counts = forwards
    sample(comfyui, model, prompt, family)
    stock = sum(counts) // STEPS
    for target, more in ((Emotion(3, 0), 0), (HALFWAY, 1), (Emotion(3, 1.5), 1), (GENERIC, 2)):
        counts.clear()
        steered(comfyui, pack_nodes, model, prompt, family, target)
        assert sum(counts) == STEPS * (stock + more)
        if len(LAYOUTS[family].tokens) == 1:  # texts of other lengths cannot share a batch
            assert len(counts) == STEPS


def test_outside_its_window_the_emotion_costs_nothing_more(
    comfyui: ModuleType, pack_nodes: dict, forwards: tuple, prompt: list, family: str
) -> None:
    model, counts = forwards
    sample(comfyui, model, prompt, family, steps=4)
    stock = sum(counts)
    counts.clear()
    half = steered(comfyui, pack_nodes, model, prompt, family, steps=4, end_percent=0.49)
    assert sum(counts) == stock + 2 * 2  # two more texts in two of four steps
    whole = steered(comfyui, pack_nodes, model, prompt, family, steps=4)
    assert not torch.equal(half, whole)


def test_mixed_conditionings_cost_nothing_more_where_lengths_agree(
    comfyui: ModuleType, pack_nodes: dict, forwards: tuple, prompt: list, family: str
) -> None:
    model, counts = forwards
    sample(comfyui, model, prompt, family)
    stock = sum(counts)
    counts.clear()
    steered(comfyui, pack_nodes, model, prompt, family, mix="conditionings")
    assert sum(counts) == stock + (2 * STEPS if len(LAYOUTS[family].tokens) > 1 else 0)


def test_the_shared_model_is_untouched(
    comfyui: ModuleType, pack_nodes: dict, model: Any, prompt: list, family: str
) -> None:
    before = sample(comfyui, model, prompt, family)
    options, patches = dict(model.model_options), dict(model.patches)
    steered(comfyui, pack_nodes, model, prompt, family)
    assert torch.equal(sample(comfyui, model, prompt, family), before)
    assert model.model_options == options and model.patches == patches
    assert not [each for kind in model.wrappers.values() for each in kind if "emofb" in each]
    assert all("emofb" not in str(key) for key in model.model_options)


def test_the_last_of_two_patches_counts(
    comfyui: ModuleType, pack_nodes: dict, model: Any, prompt: list, family: str
) -> None:
    patch = pack_nodes["EmoFB_EmotionModelPatch"].execute
    first = patch(model, target=HALFWAY, strength=1.0, **WIDGETS).args[0]
    twice = steered(comfyui, pack_nodes, first, prompt, family)
    assert torch.equal(twice, steered(comfyui, pack_nodes, model, prompt, family))


def test_one_region_can_feel_while_the_other_does_not(
    comfyui: ModuleType, pack_nodes: dict, model: Any, prompt: list, family: str
) -> None:
    left = torch.zeros(1, SIDE * 8, SIDE * 8)
    left[..., : SIDE * 4] = 1
    masked, plain = comfyui.ConditioningSetMask(), text(family, 3 * 17)
    positive = (
        masked.append(prompt, left, "default", 1.0)[0]
        + masked.append([plain], 1 - left, "default", 1.0)[0]
    )
    stock = sample(comfyui, model, positive, family, steps=1)
    ours = steered(comfyui, pack_nodes, model, positive, family, steps=1)
    middle = SIDE // 2
    torch.testing.assert_close(ours[..., middle:], stock[..., middle:], atol=2e-4, rtol=1e-4)
    assert (ours - stock)[..., :middle].norm() > 1e-3 * stock.norm()


def test_keys_of_a_conditioning_survive(prompt: list, family: str) -> None:
    module, control = steering(), object()
    kept = {"control": control, "area": (8, 8, 0, 0), "guidance": 2.5, "of_a_pack": [1], "hooks": 1}
    ranged = {"strength": 0.5, "start_percent": 0.2, "end_percent": 0.9}
    positive = [[prompt[0][0], {**prompt[0][1], **kept, **ranged}]]
    how = module.Steering(target=GENERIC, start=0.4, end=0.6)
    entries = module.steer(positive, how)
    for _, extra in entries:
        assert {key: extra[key] for key in kept} == kept
        assert extra["control"] is control
    ranges = {(extra["start_percent"], extra["end_percent"]) for _, extra in entries}
    assert ranges == {(0.2, 0.4), (0.4, 0.6), (0.6, 0.9)}
    for span in ranges:
        there = [e for _, e in entries if (e["start_percent"], e["end_percent"]) == span]
        assert sum(extra["strength"] for extra in there) == pytest.approx(0.5)


def test_a_controlnet_steers_along(comfyui: ModuleType, pack_nodes: dict) -> None:
    model, control = load_model("sd15"), load_controlnet()
    hint = torch.rand(1, SIDE * 8, SIDE * 8, 3, generator=torch.Generator().manual_seed(1))
    apply = comfyui.ControlNetApplyAdvanced().apply_controlnet

    def controlled(number: int) -> list[Any]:
        positive = [text("sd15", number)]
        return apply(positive, [text("sd15", 99)], control, hint, 1.0, 0.0, 1.0)[0]

    corners = [sample(comfyui, model, controlled(n), "sd15", steps=1) for n in (0, 1)]
    positive = with_anchors(controlled(0), "sd15")
    ours = steered(comfyui, pack_nodes, model, positive, "sd15", HALFWAY, steps=1)
    torch.testing.assert_close(ours, (corners[0] + corners[1]) / 2, atol=2e-4, rtol=1e-4)
    without = sample(comfyui, model, [text("sd15", 0)], "sd15", steps=1)
    assert (corners[0] - without).norm() > 1e-3 * without.norm()  # the ControlNet does something
