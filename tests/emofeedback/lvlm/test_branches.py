"""Branches of a prompt, read the quickest way that is right for a model, against each by itself."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_lvlms import (
    IMAGE,
    NEW,
    TEXT,
    TOKENS,
    drawn_folder,
    needs_5,
    random_qwen3,
    random_qwen25,
    seeded,
)

from emofeedback.lvlm import branches
from emofeedback.lvlm.base import PROMPT_SETS, unwatched
from emofeedback.lvlm.branches import (
    FROM_CACHE,
    IN_ONE_PASS,
    REREAD,
    read_branches,
    way_of_reading,
    with_suffix,
)
from emofeedback.lvlm.folder import load_folder

STEPS = torch.tensor([[20, 31], [21, 30], [29, 40]])
MAKERS = {"drawn": drawn_folder, "Qwen2.5-VL": random_qwen25, "Qwen3-VL": random_qwen3}


@pytest.fixture(scope="module", params=MAKERS)
def filled(request, tmp_path_factory):
    """A model that is asked for arousal after each valence digit."""
    folder = MAKERS[request.param](tmp_path_factory.mktemp("lvlm") / "it")
    lvlm = load_folder(folder, dtype=torch.float32)
    return replace(lvlm, prompts=PROMPT_SETS["drawn_v1"], _forms={})


def picture_inputs(count: int = 2) -> dict[str, torch.Tensor]:
    """A prompt with a picture of 16 tokens in the middle, as Llava's processor would make it."""
    random = torch.Generator().manual_seed(2)
    text = torch.randint(10, 900, (count, 24), generator=random)
    text[:, 4:20] = IMAGE
    pixels = torch.randn(count, 3, 32, 32, generator=random)
    return {"input_ids": text, "attention_mask": torch.ones_like(text), "pixel_values": pixels}


def text_inputs(count: int = 2) -> dict[str, torch.Tensor]:
    ids = torch.randint(10, 900, (count, 24), generator=torch.Generator().manual_seed(2))
    kinds = torch.zeros_like(ids)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": kinds}


@torch.inference_mode()
def each_by_itself(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """[B, 1 + N, vocabulary] from whole passes, one for the prompt and one for each branch."""
    rows = [inputs, *(with_suffix(inputs, step) for step in STEPS.tolist())]
    return torch.stack([model(**row, use_cache=False).logits[:, -1] for row in rows], 1)


@torch.inference_mode()
def read(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    first, after = read_branches(model, inputs, STEPS)
    return torch.cat([first.unsqueeze(1), after], 1)


@needs_5
def test_one_pass_rates_as_reading_every_branch_by_itself(filled, monkeypatch):
    assert way_of_reading(filled.model) == IN_ONE_PASS
    pictures = torch.rand(2, 96, 128, 3, generator=torch.Generator().manual_seed(1))
    rated = {}
    for way in (IN_ONE_PASS, FROM_CACHE, REREAD):
        monkeypatch.setattr(branches, "way_of_reading", lambda model, way=way: way)
        ratings = filled.rate(pictures, None, unwatched)
        rated[way] = torch.tensor([[r.valence, r.arousal] for r in ratings])
    for way in (IN_ONE_PASS, FROM_CACHE):
        torch.testing.assert_close(rated[way], rated[REREAD], atol=1e-4, rtol=0)
    assert rated[REREAD][:, :, 0].std(0).min() > 1e-3  # the pictures are seen


def test_one_pass_reads_branches_of_several_tokens(filled):
    pictures = torch.rand(2, 96, 128, 3, generator=torch.Generator().manual_seed(1))
    inputs = filled.inputs(pictures, filled.chat("What?"), torch.device("cpu"))
    alone = each_by_itself(filled.model, inputs)
    torch.testing.assert_close(read(filled.model, inputs), alone, atol=1e-3, rtol=1e-4)
    assert (alone[:, 1] - alone[:, 2]).abs().max() > 0.1


def llava() -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig
    from transformers import LlavaForConditionalGeneration as Llava

    text = {k: v for k, v in TEXT.items() if k != "rope_parameters"}
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        image_size=32, patch_size=8,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=LlamaConfig(**text), image_token_id=IMAGE
    )
    return Llava, config


def windowed() -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {**TEXT, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2}
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config={**vision, "out_hidden_size": 64}, **TOKENS
    )
    return Qwen2_5_VLForConditionalGeneration, config


def recurrent() -> Any:
    if not NEW:
        pytest.skip("transformers 4 has no Qwen3.5")
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    text = {
        **TEXT,
        "rope_parameters": {**TEXT["rope_parameters"], "partial_rotary_factor": 1.0},
        "layer_types": ["linear_attention", "full_attention"],
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
    }
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2}
    config = Qwen3_5Config(
        text_config=text, vision_config={**vision, "out_hidden_size": 64}, **TOKENS
    )
    return Qwen3_5ForConditionalGeneration, config


@pytest.mark.parametrize(
    ("make", "inputs", "way"),
    [
        (llava, picture_inputs, FROM_CACHE),
        (windowed, text_inputs, REREAD),
        (recurrent, text_inputs, REREAD),
    ],
    ids=["llava", "sliding windows", "recurrent layers"],
)
def test_other_models_are_read_the_way_that_is_right_for_them(make, inputs, way, monkeypatch):
    model = seeded(*make())
    assert way_of_reading(model) == way
    alone = each_by_itself(model, inputs())
    torch.testing.assert_close(read(model, inputs()), alone, atol=1e-3, rtol=1e-4)
    if way == REREAD:  # the quicker way fails or reads something else
        monkeypatch.setattr(branches, "way_of_reading", lambda _: FROM_CACHE)
        with pytest.raises((RuntimeError, AssertionError)):
            torch.testing.assert_close(read(model, inputs()), alone, atol=0.1, rtol=0)


def test_attention_without_masks_of_ours_reads_each_branch_by_itself(filled):
    model = copy.copy(filled.model)
    model.config = copy.deepcopy(model.config)
    model.config.get_text_config()._attn_implementation = "flash_attention_2"
    assert way_of_reading(model) == REREAD
