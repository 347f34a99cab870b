"""Every family: tiny random pipelines through the command line; the real shapes on paper."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from comfy_networks import comfyui_model, under_own_names
from tiny_pipelines import PIPELINES

from emofeedback.control.checkpoint import load_adapter, read_facts
from emofeedback.errors import CheckpointError
from training.data.prompts import Task
from training.evaluation.trained_weights import weights_of
from training.families.choose import family_of_file, load_family
from training.families.facts import FAMILIES, SD3_ATTENTION
from training.families.pipelines import load_folder, load_single
from training.families.real_shapes import real_network
from training.families.words import unpadded
from training.rl.measure import paint
from training.rl.policy import Asked, Policy, lora_pattern
from training.rl.rollout import sample_clean
from training.settings.config import ModelConfig
from training.settings.files import load_config
from training.train import main

SETTINGS: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
SIZE: dict[str, Any] = {"size": 16, **SETTINGS}
SIDES = {"sana": 32}
"""Pixels; of the others 16."""
ASKED = {"sdxl": ["loss.kind=clip", "rollout.dynamics=ddim"]}
IN_COMFYUI = tuple(name for name in PIPELINES if name != "sana")
"""ComfyUI 0.30 has no network of SANA's."""
TASKS = [Task("a boat on the sea", (2.0, -1.0)), Task("the dog", (-2.0, 1.0))]
SAMPLER: dict[str, Any] = {"steps": 3, "guidance": 1.0, "seed": 0}


@pytest.fixture(scope="module", params=PIPELINES)
def folder(request: Any, tmp_path_factory: Any) -> tuple[str, Path]:
    torch.manual_seed(1)
    where = tmp_path_factory.mktemp(request.param)
    PIPELINES[request.param]().save_pretrained(where)
    return request.param, where


@pytest.fixture(scope="module")
def run(folder: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two steps by the command line leave."""
    made = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.path", ["", *sys.path])
        code = main([
            "--preset", "smoke", "--model", str(folder[1]), "--run", str(made),
            "steps=2", f"model.size={SIDES.get(folder[0], 16)}", "tensorboard=false",
            "sheet_every=0", "optim.clip_norm=100", "optim.learning_rate=0.1",
            "rollout.group_size=2", "loss.kl_coef=0.01", *ASKED.get(folder[0], []),
        ])  # fmt: skip
    assert code == 0
    return made


def loaded(family: str, where: Path) -> Any:
    return load_folder(where, size=SIDES.get(family, 16), **SETTINGS)


@pytest.fixture
def policy(folder: tuple[str, Path], run: Path) -> Iterator[Policy]:
    """The base with the run's weights on it."""
    made = Policy(loaded(*folder), ModelConfig(lora_rank=4, lora_alpha=8))
    adapter = run / f"{folder[0]}_emotion.safetensors"
    assert read_facts(adapter).base_family == folder[0]
    base = paint(made, TASKS, **SAMPLER)
    with weights_of(made, adapter):
        assert (paint(made, TASKS, **SAMPLER) - base).abs().max() > 1e-3
        yield made


def test_diffusers_paints_the_same_with_the_lora_of_a_run(
    folder: tuple[str, Path], run: Path, policy: Policy
) -> None:
    family, where = folder
    theirs = loaded(family, where)
    theirs.pipeline.load_lora_weights(run / f"{family}_lora.safetensors")
    theirs.transformer = getattr(theirs.pipeline, theirs.network)
    theirs.adapter = load_adapter(run / f"{family}_emotion.safetensors")
    plain = Policy.__new__(Policy)
    plain.__dict__ |= policy.__dict__ | {
        "family": theirs, "adapter": theirs.adapter, "_in_use": theirs.adapter, "_words": {},
    }  # fmt: skip
    ours = paint(policy, TASKS, **SAMPLER)
    torch.testing.assert_close(paint(plain, TASKS, **SAMPLER), ours, atol=1e-4, rtol=0)


def conditioning(policy: Policy, asked: Asked) -> list[Any]:
    """What ComfyUI's sampler is given for each row, without the padding of other rows."""
    context, pooled = policy.adapter(*asked.words[:2], asked.emotion)
    texts = unpadded((context, pooled, *asked.words[2:])) if len(asked.words) > 2 else context
    size = {"width": SIZE["size"], "height": SIZE["size"]}
    return [
        [[text[None], {"pooled_output": vector[None], **size}]]
        for text, vector in zip(texts, pooled, strict=True)
    ]


def painted_by_comfyui(
    model: Any, noise: torch.Tensor, schedule: torch.Tensor, prompts: list[Any]
) -> torch.Tensor:
    """Latents by ComfyUI's Euler sampler, each row by itself."""
    import comfy.sample
    import comfy.samplers

    done = []
    for start, prompt in zip(noise, prompts, strict=True):
        latents = start[None]
        if model.model.latent_format.latent_dimensions == 3:
            latents = latents.unsqueeze(2)  # a film of one picture
        latents = comfy.sample.sample_custom(
            model, latents, 1.0, comfy.samplers.sampler_object("euler"),
            schedule, prompt, prompt, torch.zeros_like(latents),
        )  # fmt: skip
        done.append(model.model.process_latent_in(latents).reshape(start.shape))
    return torch.stack(done)


@pytest.mark.parametrize("folder", IN_COMFYUI, indirect=True)
@torch.no_grad()
def test_comfyui_paints_the_same_with_the_stock_loader_of_loras(
    folder: tuple[str, Path], run: Path, policy: Policy, comfyui: ModuleType
) -> None:
    import folder_paths

    family, where = folder
    plain = loaded(family, where)
    model = comfyui_model(family, plain.transformer)
    folder_paths.add_model_folder_path("loras", str(run))
    loader = comfyui.LoraLoaderModelOnly()
    tuned = loader.load_lora_model_only(model, f"{family}_lora.safetensors", 1.0)[0]

    plain.adapter = policy.adapter
    noise = torch.randn(2, *policy.family.latent_shape, generator=torch.Generator().manual_seed(6))
    asked = policy.encode(TASKS, 1.0)
    ours, base = (
        sample_clean(each, asked, noise, steps=3)
        for each in (policy, Policy(plain, ModelConfig(lora_rank=2)))
    )
    schedule = policy.family.sigmas(3)
    if FAMILIES[family].prediction == "noise":  # ComfyUI's latents there: clean + level * noise
        ours, base = ours / (1 - schedule[-1]), base / (1 - schedule[-1])
        schedule = schedule / (1 - schedule)
        noise = noise * (1 + schedule[0] ** 2).sqrt() / schedule[0]
    prompts = conditioning(policy, asked)
    for theirs, wanted in ((model, base), (tuned, ours)):
        made = painted_by_comfyui(theirs, noise, schedule, prompts)
        torch.testing.assert_close(made, wanted, atol=1e-4, rtol=0)
    assert (ours - base).abs().max() > 1e-2


@pytest.mark.parametrize("folder", ["sd3.5", "flux"], indirect=True)
def test_a_checkpoint_of_another_family_is_refused(
    folder: tuple[str, Path], tmp_path: Path
) -> None:
    from emofeedback.embedded import generator
    from emofeedback.embedded.weights import weight_path

    shipped = weight_path(generator.ADAPTER_FILE)
    config = load_config(
        None, [f"model.path={folder[1]}", "model.size=16", f"model.adapter={shipped}"]
    )
    with pytest.raises(CheckpointError, match="family 'drawn'; this model is"):
        load_family(config, device=torch.device("cpu"))


REAL = {
    "sd3.5-medium": (24, 1536, 24 * 8 - 1),
    "flux": (19, 3072, 19 * 8 + 38 * 3),
}


@pytest.mark.parametrize("name", REAL)
def test_the_lora_of_the_real_shapes_sits_in_every_attention_layer(name: str) -> None:
    transformer = real_network(name)
    _, width, count = REAL[name]
    found = [
        (module, key)
        for key, module in transformer.named_modules()
        if re.fullmatch(lora_pattern(SD3_ATTENTION), key)
    ]
    assert all(isinstance(module, torch.nn.Linear) for module, _ in found)
    assert {module.in_features for module, _ in found} == {width}
    assert len(found) == count


@pytest.mark.parametrize("folder", ["sd3.5", "flux"], indirect=True)
def test_a_single_file_with_components_is_the_folders_model(
    folder: tuple[str, Path], comfyui: ModuleType, tmp_path: Path
) -> None:
    import comfy.utils
    from safetensors.torch import save_file

    family, where = folder
    if family == "flux":  # diffusers' converter of FLUX files takes the real width alone
        key_map = comfy.utils.flux_to_diffusers({"depth": 1, "depth_single_blocks": 1})
    else:
        key_map = comfy.utils.mmdit_to_diffusers({"depth": 2})
    made = load_folder(where, **SIZE)
    state = made.transformer.state_dict()
    file = tmp_path / "single.safetensors"
    whole = {
        f"model.diffusion_model.{key}": value.contiguous()
        for key, value in under_own_names(state, key_map).items()
    }
    save_file(whole, str(file))
    assert family_of_file(file) == family
    if family == "sd3.5":
        made = load_single(file, where, family=family, **SIZE)
        for key, value in made.transformer.state_dict().items():
            assert torch.equal(value, state[key]), key
    other = "flux" if family == "sd3.5" else "sd3.5"
    with pytest.raises(CheckpointError, match="components of the same family"):
        load_single(file, where, family=other, **SIZE)
    lora = Policy(made, ModelConfig(lora_rank=2)).lora_state()
    modules = {key.removeprefix("transformer.").rsplit(".lora_", 1)[0] for key in lora}
    assert modules
    assert all(f"{module}.weight" in key_map for module in modules)  # as the stock loader maps
