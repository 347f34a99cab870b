"""SD3.5 and FLUX: tiny random pipelines through the command line, and the real shapes on paper."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from emofeedback.checkpoint import load_adapter, read_facts
from emofeedback.errors import CheckpointError
from training.config import ModelConfig
from training.config_files import load_config
from training.families.choose import family_of_file, load_family
from training.families.embedded import LORA_TARGETS
from training.families.pipelines import load_folder, load_single
from training.measure import paint
from training.policy import Policy, lora_pattern
from training.prompts import Task
from training.train import main
from training.trained_weights import weights_of

WORDS = ("a", "boat", "dog", "tree", "on", "the", "sea")
SHAPE = {"in_channels": 8, "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 8}


def tokenizer() -> Any:
    from emofeedback.embedded.clip import build_tokenizer

    made = build_tokenizer(WORDS)
    made.model_max_length = 12
    return made


def text_tower(kind: str, width: int = 16) -> Any:
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        T5Config,
        T5EncoderModel,
    )

    if kind == "t5":
        config = T5Config(vocab_size=16, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        return T5EncoderModel(config)
    config = CLIPTextConfig(
        vocab_size=16, hidden_size=width, intermediate_size=32, projection_dim=width,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=12,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return (CLIPTextModel if kind == "flux" else CLIPTextModelWithProjection)(config)


def autoencoder(channels: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8), latent_channels=channels, norm_num_groups=4, sample_size=16,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1, shift_factor=0.1, scaling_factor=1.5,
        use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip


def sd35() -> Any:
    import diffusers

    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=8, patch_size=1, joint_attention_dim=32, caption_projection_dim=16,
            pooled_projection_dim=32, out_channels=8, pos_embed_max_size=16, qk_norm="rms_norm",
            dual_attention_layers=(0,), **SHAPE,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(8),
        text_encoder=text_tower("sd3"), text_encoder_2=text_tower("sd3"), text_encoder_3=None,
        tokenizer=tokenizer(), tokenizer_2=tokenizer(), tokenizer_3=None,
    )  # fmt: skip


def flux() -> Any:
    import diffusers

    return diffusers.FluxPipeline(
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1, num_single_layers=1, joint_attention_dim=32, pooled_projection_dim=16,
            axes_dims_rope=(4, 2, 2), guidance_embeds=True,
            **SHAPE | {"in_channels": 8, "num_layers": 1},
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=autoencoder(2),
        text_encoder=text_tower("flux"), text_encoder_2=text_tower("t5"),
        tokenizer=tokenizer(), tokenizer_2=tokenizer(),
    )  # fmt: skip


@pytest.fixture(scope="module", params=["sd3.5", "flux"])
def folder(request: Any, tmp_path_factory: Any) -> tuple[str, Path]:
    torch.manual_seed(1)
    where = tmp_path_factory.mktemp(request.param)
    (sd35 if request.param == "sd3.5" else flux)().save_pretrained(where)
    return request.param, where


def test_two_steps_by_the_command_line_leave_a_lora_that_diffusers_paints_with(
    folder: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, where = folder
    monkeypatch.setattr("sys.path", ["", *sys.path])
    code = main([
        "--preset", "smoke", "--model", str(where), "--run", str(tmp_path / "run"),
        "steps=2", "model.size=16", "tensorboard=false", "sheet_every=0", "optim.clip_norm=100",
        "optim.learning_rate=0.1", "rollout.group_size=2", "loss.kl_coef=0.01",
    ])  # fmt: skip
    assert code == 0
    adapter = tmp_path / "run" / f"{family}_emotion.safetensors"
    assert read_facts(adapter).base_family == family

    size = {"size": 16, "dtype": torch.float32, "device": "cpu"}
    policy = Policy(load_folder(where, **size), ModelConfig(lora_rank=4, lora_alpha=8))
    tasks = [Task("a boat on the sea", (2.0, -1.0)), Task("the dog", (-2.0, 1.0))]
    sampler = {"steps": 3, "guidance": 1.0, "seed": 0}
    with weights_of(policy, adapter):
        ours = paint(policy, tasks, **sampler)
    base = paint(policy, tasks, **sampler)
    theirs = load_folder(where, **size)
    theirs.pipeline.load_lora_weights(tmp_path / "run" / f"{family}_lora.safetensors")
    theirs.transformer = theirs.pipeline.transformer
    theirs.adapter = load_adapter(adapter)
    plain = Policy.__new__(Policy)
    plain.__dict__ |= policy.__dict__ | {
        "family": theirs, "adapter": theirs.adapter, "_in_use": theirs.adapter, "_words": {},
    }  # fmt: skip
    torch.testing.assert_close(paint(plain, tasks, **sampler), ours, atol=1e-4, rtol=0)
    assert (ours - base).abs().max() > 1e-3


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
    import diffusers

    with torch.device("meta"):
        transformer = (
            diffusers.SD3Transformer2DModel(
                sample_size=128, num_layers=24, num_attention_heads=24, joint_attention_dim=4096,
                caption_projection_dim=1536, pos_embed_max_size=384, qk_norm="rms_norm",
                dual_attention_layers=tuple(range(13)),
            )
            if name == "sd3.5-medium"
            else diffusers.FluxTransformer2DModel(guidance_embeds=True)
        )  # fmt: skip
    _, width, count = REAL[name]
    found = [
        (module, key)
        for key, module in transformer.named_modules()
        if re.fullmatch(lora_pattern(LORA_TARGETS), key)
    ]
    assert all(isinstance(module, torch.nn.Linear) for module, _ in found)
    assert {module.in_features for module, _ in found} == {width}
    assert len(found) == count


def as_single_file(state: dict[str, torch.Tensor], key_map: dict[str, Any]) -> dict[str, Any]:
    """A transformer's weights under the names of ComfyUI's single files, by ComfyUI's own table."""
    whole: dict[str, Any] = {}
    parts: dict[str, list[tuple[int, torch.Tensor]]] = {}
    for key, value in state.items():
        target = key_map[key]
        if isinstance(target, str):
            whole[target] = value
        elif target[1] is None:
            whole[target[0]] = target[2](value)  # a swap of halves: its own inverse
        else:
            parts.setdefault(target[0], []).append((target[1][1], value))
    for name, found in parts.items():
        whole[name] = torch.cat([value for _, value in sorted(found, key=lambda pair: pair[0])])
    return {f"model.diffusion_model.{key}": value.contiguous() for key, value in whole.items()}


def test_a_single_file_with_components_is_the_folders_model(
    folder: tuple[str, Path], comfyui: ModuleType, tmp_path: Path
) -> None:
    import comfy.utils
    from safetensors.torch import save_file

    family, where = folder
    size = {"size": 16, "dtype": torch.float32, "device": "cpu"}
    if family == "flux":  # diffusers' converter of FLUX files takes the real width alone
        key_map = comfy.utils.flux_to_diffusers({"depth": 1, "depth_single_blocks": 1})
    else:
        key_map = comfy.utils.mmdit_to_diffusers({"depth": 2})
    made = load_folder(where, **size)
    state = made.transformer.state_dict()
    file = tmp_path / "single.safetensors"
    save_file(as_single_file(state, key_map), str(file))
    assert family_of_file(file) == family
    if family == "sd3.5":
        made = load_single(file, where, family=family, **size)
        for key, value in made.transformer.state_dict().items():
            assert torch.equal(value, state[key]), key
    other = "flux" if family == "sd3.5" else "sd3.5"
    with pytest.raises(CheckpointError, match="components of the same family"):
        load_single(file, where, family=other, **size)
    lora = Policy(made, ModelConfig(lora_rank=2)).lora_state()
    modules = {key.removeprefix("transformer.").rsplit(".lora_", 1)[0] for key in lora}
    assert modules
    assert all(f"{module}.weight" in key_map for module in modules)  # as the stock loader maps
