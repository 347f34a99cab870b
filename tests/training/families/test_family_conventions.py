"""Every family samples as its own diffusers pipeline does: schedule, signs, guidance, words."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import PIPELINES

from emofeedback.errors import CheckpointError, ConfigError
from training.families.choose import load_family
from training.families.facts import FAMILIES
from training.families.lora_names import stored_name
from training.families.pipelines import load_folder
from training.families.real_shapes import real_network
from training.families.words import stacked, unpadded
from training.formulas.dynamics import ddim_step
from training.rl.policy import Asked, Policy, lora_pattern
from training.rl.rollout import sample_clean
from training.settings.config import ModelConfig
from training.settings.files import load_config

PROMPT = "a boat on the sea"
STEPS = 4
SIDES = {"sana": 32}
"""Pixels; of the others 16."""
GUIDANCE = {"z-image": 2.5, "qwen-image": 4.0, "flux": 1.0}
"""Of the others 3; FLUX.1 is guidance-distilled."""
ASKED: dict[str, dict[str, Any]] = {
    "qwen-image": {"negative_prompt": "", "true_cfg_scale": 4.0},
    "flux": {"guidance_scale": 3.5, "max_sequence_length": 12},
    "sd3.5": {"guidance_scale": 3.0, "negative_prompt": ""},
    "sana": {"guidance_scale": 3.0, "use_resolution_binning": False},
}


@pytest.fixture(scope="module", params=PIPELINES)
def family(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.manual_seed(1)
    where: Path = tmp_path_factory.mktemp(request.param)
    PIPELINES[request.param]().save_pretrained(where)
    return load_folder(where, size=SIDES.get(request.param, 16), dtype=torch.float32, device="cpu")


def theirs(family: Any, noise: torch.Tensor) -> torch.Tensor:
    """What the pipeline itself makes of the noise, as our latents."""
    pipeline, name = family.pipeline, family.name
    side = family.latent_shape[-1] * pipeline.vae_scale_factor * (2 if name == "flux2" else 1)
    given, options = noise, ASKED.get(name, {"guidance_scale": GUIDANCE.get(name, 3.0)})
    if name in ("flux", "qwen-image"):
        batch, channels, height, width = noise.shape
        given = pipeline._pack_latents(noise, batch, channels, height, width)
    if name == "sana":  # its solver is of second order; ours is Euler on its levels
        from diffusers import FlowMatchEulerDiscreteScheduler

        pipeline.scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
        options |= {"sigmas": LEVELS["sana"][:-1].tolist()}
    found: dict[str, torch.Tensor] = {}

    def keep(_: Any, step: int, __: Any, values: dict[str, Any]) -> dict[str, Any]:
        found["latents"] = values["latents"]
        return values

    pipeline.set_progress_bar_config(disable=True)
    pipeline(
        prompt=PROMPT, latents=given, height=side, width=side, num_inference_steps=STEPS,
        output_type="latent", callback_on_step_end=keep, **options,
    )  # fmt: skip
    made = found["latents"]
    if name == "flux":
        made = pipeline._unpack_latents(made, side, side, pipeline.vae_scale_factor)
    if name == "qwen-image":
        made = pipeline._unpack_latents(made, side, side, pipeline.vae_scale_factor)[:, :, 0]
    if name == "flux2":
        made = made.transpose(1, 2).reshape(noise.shape)
    return made


LEVELS: dict[str, torch.Tensor] = {}


@torch.no_grad()
def test_sampling_equals_the_pipelines_own(family: Any) -> None:
    noise = torch.randn(1, *family.latent_shape, generator=torch.Generator().manual_seed(3))
    policy = Policy(family, ModelConfig(lora_rank=2, lora_alpha=2))
    guidance = GUIDANCE.get(family.name, 3.0)
    negative = None if guidance == 1 else policy.words([""])
    asked = Asked(policy.words([PROMPT]), torch.zeros(1, 2), negative, guidance)
    LEVELS[family.name] = family.sigmas(STEPS)
    ours = sample_clean(policy, asked, noise, steps=STEPS)
    made = theirs(family, noise)
    if family.name == "sdxl":
        last = family.sigmas(STEPS)[-1]
        ours = ours / ((1 - last) ** 2 + last**2).sqrt()
    torch.testing.assert_close(ours, made.float(), atol=1e-4, rtol=1e-4)
    if family.name not in ("sana", "sdxl"):
        scheduled = family.pipeline.scheduler.sigmas
        torch.testing.assert_close(LEVELS[family.name], scheduled.float(), atol=1e-6, rtol=0)


@torch.no_grad()
def test_latents_become_pictures_of_the_asked_size(family: Any) -> None:
    pictures = family.decode(torch.zeros(2, *family.latent_shape))
    side = SIDES.get(family.name, 16)
    assert pictures.shape == (2, side, side, 3)
    assert pictures.min() >= 0 and pictures.max() <= 1


def test_every_family_of_the_table_is_tried_and_documented() -> None:
    assert set(PIPELINES) == set(FAMILIES)
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    for facts in FAMILIES.values():
        cells = (facts.name, ", ".join(facts.pipelines), facts.prediction, facts.time,
                 facts.guidance, ", ".join(facts.losses))  # fmt: skip
        assert f"| {' | '.join(cells)} |" in page


REAL = {
    "sdxl": (560, {}),
    "qwen-image": (2 * 8, {"num_layers": 2}),
    "z-image": ((2 + 4) * 4, {"n_layers": 2}),
    "flux2": (8 + 1, {"num_layers": 1, "num_single_layers": 1}),
}
"""Number of layers that get a LoRA in a network of the real width, and what makes it short."""


@pytest.mark.parametrize("name", REAL)
def test_comfyuis_stock_loader_knows_every_key_of_a_lora(name: str, comfyui: Any) -> None:
    import comfy.lora
    import comfy.model_detection
    import comfy.utils

    count, shorter = REAL[name]
    facts = FAMILIES[name]
    network = real_network(name, **shorter)
    targets = re.compile(lora_pattern(facts.lora_targets))
    modules = [key for key, _ in network.named_modules() if targets.fullmatch(key)]
    assert len(modules) == count
    state = network.state_dict()
    if name == "flux2":  # ComfyUI tells this one by files of its own layout only
        table = comfy.utils.flux_to_diffusers({"depth": 1, "depth_single_blocks": 1})
        assert {f"{module}.weight" for module in modules} <= set(table)
        return
    if name == "sdxl":
        found = comfy.model_detection.unet_config_from_diffusers_unet(state)
        config = comfy.model_detection.model_config_from_unet_config(found)
    else:
        own = comfy.model_detection.convert_diffusers_mmdit(state, "") or state
        config = comfy.model_detection.model_config_from_unet(own, "")
    known = comfy.lora.model_lora_keys_unet(config.get_model({}, device="meta"), {})
    for module in modules:
        key = stored_name(f"{module}.lora_A.default.weight", facts.lora_style)
        assert key.rsplit(".", 2)[0] in known, key


def test_ddim_noise_is_that_of_its_scheduler() -> None:
    """One stochastic step of diffusers' DDIM, mean and deviation, in flow matching's variables."""
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=False)
    scheduler.set_timesteps(5)
    now, after = scheduler.timesteps[2], scheduler.timesteps[3]
    powers = scheduler.alphas_cumprod[torch.stack([now, after])].double()
    signal, noise = powers.sqrt(), (1 - powers).sqrt()
    latents, predicted, fresh = torch.randn(3, 2, 4, 8, 8, dtype=torch.float64)
    wanted = scheduler.step(predicted, int(now), latents, eta=0.7, variance_noise=fresh)
    sizes, sigmas = signal + noise, noise / (signal + noise)
    clean = (latents - noise[0] * predicted) / signal[0]
    step = ddim_step(
        latents / sizes[0], predicted - clean, sigma=sigmas[0], sigma_next=sigmas[1], eta=0.7
    )
    ours = (step.mean + step.std * fresh) * sizes[1]
    torch.testing.assert_close(ours, wanted.prev_sample, atol=1e-6, rtol=1e-6)


def test_texts_of_different_length_are_padded_and_masked() -> None:
    short, long = (
        (torch.ones(1, n, 3), torch.ones(1, 0), torch.ones(1, n, dtype=torch.bool)) for n in (2, 5)
    )
    context, pooled, mask = stacked([short, long])
    assert context.shape == (2, 5, 3) and pooled.shape == (2, 0)
    assert mask.sum(1).tolist() == [2, 5] and not context[0, 2:].any()
    assert [len(text) for text in unpadded((context, pooled, mask))] == [2, 5]


def test_a_loss_that_does_not_fit_a_family_is_refused_before_training(tmp_path: Path) -> None:
    PIPELINES["sdxl"]().save_pretrained(tmp_path)
    config = load_config(None, [f"model.path={tmp_path}", "model.size=16", "loss.kind=nft"])
    with pytest.raises(ConfigError, match="loss.kind=nft does not fit.*loss.kind=clip"):
        load_family(config, device=torch.device("cpu"))


def test_a_size_that_no_picture_can_have_is_refused(tmp_path: Path) -> None:
    PIPELINES["sd3.5"]().save_pretrained(tmp_path)
    for path, size, said in (
        (str(tmp_path), 17, "8.5 latent cells wide; model.size must be a multiple of 4"),
        ("", 100, "a multiple of 16 pixels a side, up to 1024"),
        ("", 2048, "up to 1024"),
    ):
        named = [f"model.path={path}"] if path else []
        config = load_config(None, [*named, f"model.size={size}"])
        with pytest.raises((ConfigError, CheckpointError), match=said):
            load_family(config, device=torch.device("cpu"))
