"""Tiny but real vision-language models in transformers folders, made on the spot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from emofeedback.embedded.weights import FOLDER

DRAWN = FOLDER / "drawn_lvlm"
IMAGE, VIDEO, START, END = 5, 6, 3, 4  # of the shipped tokenizer
TEXT: dict[str, Any] = {
    "vocab_size": 1024,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "bos_token_id": None,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
}
NEW = int(transformers.__version__.split(".")[0]) >= 5
if not NEW:  # older names of the same
    TEXT |= {"rope_theta": 1e4, "rope_scaling": {"type": "default", "mrope_section": [2, 3, 3]}}
TOKENS = {
    "image_token_id": IMAGE,
    "video_token_id": VIDEO,
    "vision_start_token_id": START,
    "vision_end_token_id": END,
    "tie_word_embeddings": True,
}


needs_5 = pytest.mark.skipif(not NEW, reason="what it compares with came with transformers 5")


def drawn_folder(folder: Path) -> Path:
    """The shipped model as a folder that asks with the prompts it was taught."""
    shutil.copytree(DRAWN, folder)
    return folder


def random_qwen25(folder: Path) -> Path:
    """A Qwen2.5-VL with random weights."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 14,
        "out_hidden_size": 64,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    config = Qwen2_5_VLConfig(text_config=TEXT, vision_config=vision, **TOKENS)
    return _save(Qwen2_5_VLForConditionalGeneration, config, folder, patch=14)


def random_qwen3(folder: Path) -> Path:
    """A Qwen3-VL, with DeepStack, with random weights."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 16,
        "out_hidden_size": 64,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0, 1],
    }
    config = Qwen3VLConfig(text_config=TEXT, vision_config=vision, **TOKENS)
    return _save(Qwen3VLForConditionalGeneration, config, folder, patch=16)


def seeded(kind: Any, config: Any) -> Any:
    """A model of a class with seeded weights and outspoken logits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = kind(config)
        for weight in model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.2)
    return model.eval()


def _save(kind: Any, config: Any, folder: Path, *, patch: int) -> Path:
    """Random weights, and the shipped tokenizer beside them."""
    folder.mkdir(parents=True)
    model = seeded(kind, config)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(DRAWN / name, folder / name)
    pixels = {
        "image_processor_type": f"Qwen2VLImageProcessor{'Pil' if NEW else ''}",
        "size": {"shortest_edge": 56 * 56, "longest_edge": 112 * 112},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "patch_size": patch,
        "temporal_patch_size": 2,
        "merge_size": 2,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels), encoding="utf-8")
    return folder
