"""The embedded vision-language model's shape: its values, how it is built and how it is saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emofeedback.lvlm.base import PROMPT_SETS
from emofeedback.lvlm.folder import SETTINGS
from emofeedback.lvlm.local import TransformersLvlm
from emofeedback.lvlm.pictures import SquareProcessor
from emofeedback.records.files import write_json

from ..runs.optim import MuonOptim, Optim
from .files import export


@dataclass(frozen=True, kw_only=True)
class LvlmConfig:
    """All values of the recipe; another size needs no code."""

    size: int = 128
    """Side of the pictures in pixels."""
    patch: int = 16
    """Side of a vision patch; four patches make one token."""
    vision_width: int = 192
    vision_depth: int = 4
    width: int = 256
    depth: int = 4
    heads: int = 4
    feed_forward: int = 512
    vocab_size: int = 1024
    pictures: int = 12_000
    """Drawn pictures to learn from."""
    picture_seed: int = 0
    repainted_pictures: int = 3072
    """Drawn pictures that the embedded generator repaints; 0: none, where there is no generator."""
    repainted: int = 16
    """Of a step's pictures, how many are repainted ones."""
    clean: float = 0.4
    """Share of the pictures that are not degraded."""
    seeing_steps: int = 1000
    """Steps at the beginning that train the vision tower alone; seeing is half of a step's cost."""
    seen: int = 48
    """Pictures a step; the helper heads ask about all of them."""
    rated: int = 24
    explained: int = 8
    refined: int = 12
    """How many of them the language part is asked to rate, explain and refine: seeing a picture
    costs a tenth of talking about it."""
    unseen: int = 1
    """Of the refined ones, how many are asked about without a picture."""
    head_weight: float = 1.0
    """Weight of the helper heads' loss."""
    optim: Optim = field(
        default_factory=lambda: MuonOptim(learning_rate=1e-3, weight_decay=0.05, ema_decay=0.995)
    )


def build(config: LvlmConfig, tokenizer: Any) -> TransformersLvlm:
    """A new model with random weights, in transformers' own classes."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    token = tokenizer.convert_tokens_to_ids
    model_config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": config.width,
            "intermediate_size": config.feed_forward,
            "num_hidden_layers": config.depth,
            "num_attention_heads": config.heads,
            "num_key_value_heads": config.heads // 2,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": _rope_sections(config.width // config.heads // 2),
            },
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": config.vision_depth,
            "hidden_size": config.vision_width,
            "intermediate_size": config.vision_width * 8 // 3,
            "num_heads": 4,
            "patch_size": config.patch,
            "temporal_patch_size": 1,
            "out_hidden_size": config.width,
            "window_size": config.size,
            "fullatt_block_indexes": list(range(config.vision_depth)),
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    model = Qwen2_5_VLForConditionalGeneration(model_config)
    # fused attention's bfloat16 backward pass is a fifth slower on CPUs for rows this short
    model.set_attn_implementation("eager")
    model.generation_config.eos_token_id = token("<|im_end|>")
    model.generation_config.pad_token_id = token("<|endoftext|>")
    processor = SquareProcessor(tokenizer, config.size, config.patch)
    return TransformersLvlm(model, processor, "lvlm in training", PROMPT_SETS["drawn_v1"])


def _rope_sections(half: int) -> list[int]:
    """Rotary pairs for time, height and width; time needs few, as a picture stands still."""
    side = half * 3 // 8
    return [half - 2 * side, side, side]


def save(lvlm: TransformersLvlm, folder: Path, facts: Mapping[str, str]) -> None:
    """Write an ordinary transformers folder in half precision, weights last."""
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads(lvlm.model.config.to_json_string(use_diff=False))
    config |= {"architectures": ["Qwen2_5_VLForConditionalGeneration"], "dtype": "float16"}
    config["text_config"] |= _rope_of_version_4(config["text_config"]["rope_parameters"])
    write_json(folder / "config.json", config)
    lvlm.model.generation_config.save_pretrained(folder)
    lvlm.processor.tokenizer.save_pretrained(folder)
    _name_tokens_as_version_4(folder / "tokenizer_config.json")
    side, processor = lvlm.processor.side, lvlm.processor
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Qwen2VLImageProcessorPil",
            "size": {"shortest_edge": side * side, "longest_edge": side * side},
            "image_mean": list(processor.mean),
            "image_std": list(processor.std),
            "patch_size": processor.patch,
            "temporal_patch_size": processor.frames,
            "merge_size": processor.merge,
        },
    )
    settings = {"prompts": lvlm.prompts.name, "pictures": "square"}
    write_json(folder / SETTINGS, settings)
    weights = {
        name: value for name, value in lvlm.model.state_dict().items() if name != "lm_head.weight"
    }
    export(folder / "model.safetensors", weights, {**facts, "format": "pt"})


def _rope_of_version_4(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The positions' settings under the names that transformers 4 reads; version 5 has its own."""
    kind = {name: value for name, value in parameters.items() if name != "rope_theta"}
    return {"rope_scaling": kind, "rope_theta": parameters["rope_theta"]}


def _name_tokens_as_version_4(path: Path) -> None:
    """Rewrite a tokenizer's settings so that transformers 4 and 5 both read them."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    if "extra_special_tokens" in settings:
        settings["additional_special_tokens"] = settings.pop("extra_special_tokens")
    write_json(path, settings)
