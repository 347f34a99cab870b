"""An emotion checkpoint in ComfyUI: our loader, the stock LoRA loader and diffusers agree."""

import copy
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from emofeedback.control.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.embedded import clip, generator
from emofeedback.records.weights import read_file, tensor_digest
from training.families.embedded import EmbeddedFamily
from training.rl.policy import Asked, Policy
from training.settings.config import ModelConfig

pytest.importorskip("diffusers", reason="diffusers asks for transformers 5")

PROMPT = "a boat on the sea"
EMOTION = (-2.0, 2.0)


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The embedded generator with a LoRA that visibly does something, and a changed adapter."""
    made = Policy(EmbeddedFamily(), ModelConfig(lora_rank=4, lora_alpha=8))
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in made.parameters().values():
            value.add_(0.05 * torch.randn(value.shape, generator=draw))
    return made


@pytest.fixture(scope="module")
def folder(comfyui: ModuleType, pack: ModuleType, policy: Policy, tmp_path_factory: Any) -> Path:
    """models/emotion of this test, registered as the pack does it, with one checkpoint."""
    import folder_paths

    where = tmp_path_factory.mktemp("emotion")
    pack_module = __import__("sys").modules["custom_nodes.emofeedback.nodes.comfy.model_folders"]
    pack_module.register_folders()
    folder_paths.add_model_folder_path("emotion", str(where))
    facts = EmotionFacts(base_family="drawn", trained="test", evaluation={"v_error": 0.5})
    save_checkpoint(
        where, "wild", policy.adapter, facts,
        lora=policy.lora_state(), lora_scale=policy.lora_scale,
    )  # fmt: skip
    folder_paths.filename_list_cache.pop("emotion", None)
    return where


@pytest.fixture(scope="module")
def embedded(pack_nodes: dict[str, type]) -> tuple[Any, Any]:
    return pack_nodes["EmoFB_LoadEmbedded"].execute().args[:2]


def sampled(comfyui: ModuleType, model: Any, positive: list, negative: list) -> torch.Tensor:
    import comfy.sample

    noise = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(3))
    return comfy.sample.sample(
        model, noise, 4, 2.0, "euler", "simple", positive, negative, torch.zeros_like(noise)
    )


def test_the_checkpoint_paints_in_comfyui_what_it_paints_in_diffusers(
    comfyui: ModuleType, pack_nodes: dict[str, type], embedded: tuple, folder: Path, policy: Policy
) -> None:
    load, encode = pack_nodes["EmoFB_LoadCheckpoint"], pack_nodes["EmoFB_EncodeEmotion"]
    model, text, metadata = load.execute(*embedded, "wild_emotion.safetensors", 1.0, 1.0).args
    assert json.loads(metadata)["evaluation"] == {"v_error": 0.5}
    target = pack_nodes["EmoFB_EmotionTarget"].execute(*EMOTION, "custom").args[0]
    positive = encode.execute(text, PROMPT, target, 1.0, "adapter").args[0]
    negative = comfyui.CLIPTextEncode().encode(text, "")[0]
    ours = sampled(comfyui, model, positive, negative)

    drawn = generator.load_generator()
    words = policy.adapter(*clip.encode_text([PROMPT]), torch.tensor([EMOTION]))
    noise = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(3))
    settings = {"steps": 4, "guidance": 2.0, "shift": drawn.config.shift}
    there = copy.deepcopy(drawn.transformer)
    there.load_lora_adapter(str(folder / "wild_lora.safetensors"), prefix="transformer")
    wanted, plain = (
        generator.sample_latents(each, words, clip.encode_text([""]), noise, **settings)
        for each in (there, drawn.transformer)
    )
    assert (wanted - plain).abs().max() > 0.05  # the LoRA does something
    torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=0)

    import comfy.sd
    import comfy.utils

    tensors = comfy.utils.load_torch_file(str(folder / "wild_lora.safetensors"))
    stock, _ = comfy.sd.load_lora_for_models(embedded[0], None, tensors, 1.0, 0)
    torch.testing.assert_close(sampled(comfyui, stock, positive, negative), ours, atol=1e-6, rtol=0)


def test_the_policy_that_was_saved_predicts_what_diffusers_predicts(
    policy: Policy, folder: Path
) -> None:
    latents = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(5))
    words, emotion = clip.encode_text([PROMPT]), torch.tensor([EMOTION])
    there = copy.deepcopy(generator.load_generator().transformer)
    there.load_lora_adapter(str(folder / "wild_lora.safetensors"), prefix="transformer")
    with torch.no_grad():
        ours = policy.velocity(latents, torch.tensor([0.6]), Asked(words, emotion))
        context, pooled = policy.adapter(*words, emotion)
        wanted = there(
            hidden_states=latents, encoder_hidden_states=context, pooled_projections=pooled,
            timestep=torch.tensor([600.0]), return_dict=False,
        )[0]  # fmt: skip
    torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=0)


def test_strength_zero_returns_what_came_in(
    pack_nodes: dict[str, type], embedded: tuple, folder: Path
) -> None:
    load = pack_nodes["EmoFB_LoadCheckpoint"]
    model, text, _ = load.execute(*embedded, "wild_emotion.safetensors", 0.0, 0.0).args
    assert model is embedded[0] and text is embedded[1]


def test_a_lora_in_another_folder_is_found_and_a_lost_one_is_named(
    pack_nodes: dict[str, type], embedded: tuple, folder: Path, tmp_path: Path
) -> None:
    import folder_paths

    load, elsewhere = pack_nodes["EmoFB_LoadCheckpoint"], tmp_path / "loras"
    (elsewhere / "rl").mkdir(parents=True)
    moved = shutil.move(folder / "wild_lora.safetensors", elsewhere / "rl" / "renamed.safetensors")
    try:
        with pytest.raises(Exception, match="neither beside it nor in models/loras"):
            load.execute(*embedded, "wild_emotion.safetensors", 1.0, 1.0)
        folder_paths.add_model_folder_path("loras", str(elsewhere))
        assert load.execute(*embedded, "wild_emotion.safetensors", 1.0, 1.0).args[0].patches
    finally:
        shutil.move(moved, folder / "wild_lora.safetensors")


@pytest.mark.parametrize("harm", ["up turned", "down too wide", "rank cut", "NaN", "infinite"])
def test_a_lora_that_cannot_be_applied_whole_is_refused_by_name(
    pack_nodes: dict[str, type], embedded: tuple, folder: Path, harm: str
) -> None:
    tensors, metadata = read_file(folder / "wild_lora.safetensors")
    down = next(key for key in sorted(tensors) if ".lora_A" in key)
    up = down.replace(".lora_A", ".lora_B")
    match harm:
        case "up turned":
            tensors[up] = tensors[up].T.contiguous()
        case "down too wide":
            tensors[down] = torch.cat([tensors[down]] * 2, 1)
        case "rank cut":
            tensors[down] = tensors[down][:1].contiguous()
        case _:
            tensors[up][-1, -1] = float("nan" if harm == "NaN" else "-inf")
    bad = folder / "bad_lora.safetensors"
    save_file(tensors, bad, metadata=metadata)
    adapter, about = read_file(folder / "wild_emotion.safetensors")
    emotion = folder / "bad_emotion.safetensors"
    save_file(adapter, emotion, metadata=about | {"lora_sha256": tensor_digest(bad)})
    try:
        with pytest.raises(Exception, match=r"^bad_lora.safetensors (does not fit|holds numbers)"):
            pack_nodes["EmoFB_LoadCheckpoint"].execute(*embedded, emotion.name, 1.0, 1.0)
    finally:
        bad.unlink(), emotion.unlink()


def test_a_checkpoint_of_another_family_is_refused(
    pack_nodes: dict[str, type], embedded: tuple, folder: Path, policy: Policy
) -> None:
    from emofeedback.control.adapter import EmotionAdapter

    facts, load = EmotionFacts(base_family="flux"), pack_nodes["EmoFB_LoadCheckpoint"]
    save_checkpoint(folder, "wide", EmotionAdapter(32, 16, 8), facts)
    with pytest.raises(Exception, match="family 'flux'"):
        load.execute(*embedded, "wide_emotion.safetensors", 1.0, 1.0)
    strange = {
        f"transformer.single_transformer_blocks.0.attn.to_q.lora_{side}.weight": torch.ones(4, 4)
        for side in "AB"
    }
    save_checkpoint(folder, "strange", policy.adapter, facts, lora=strange)
    with pytest.raises(Exception, match="fits no layer"):
        load.execute(*embedded, "strange_emotion.safetensors", 1.0, 1.0)


def test_a_checkpoint_of_another_format_version_is_refused(
    pack_nodes: dict[str, type], embedded: tuple, folder: Path
) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(folder / "wild_emotion.safetensors", framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = file.metadata() | {"format_version": "9"}
    save_file(tensors, folder / "later_emotion.safetensors", metadata=metadata)
    with pytest.raises(Exception, match="format version '9', this package reads"):
        pack_nodes["EmoFB_LoadCheckpoint"].execute(*embedded, "later_emotion.safetensors", 1.0, 1.0)
