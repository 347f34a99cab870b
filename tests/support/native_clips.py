"""Shrunken CLIPs of ComfyUI's own classes with random weights: some see and write, some do not."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from emofeedback.lvlm.prompts import load_prompt

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
CORPUS = [load_prompt(name) for name in ("viewer_rate_v1", "viewer_answer_v1", "viewer_explain_v1")]


def native_clip(
    clip: Callable[..., Any],
    tokenizer: Callable[..., Any],
    *,
    data: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """A CLIP around a text encoder and a tokenizer, as CLIPLoader makes it, with random weights."""
    import comfy.sd

    class Target:
        params: dict[str, Any] = {}  # noqa: RUF012 (core's own shape)

    Target.clip, Target.tokenizer = clip, tokenizer
    made = comfy.sd.CLIP(
        Target,
        parameters=1_000_000,
        tokenizer_data=data or {},
        model_options={"dtype": torch.float32, **(options or {})},
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(2)
        for name, weight in made.cond_stage_model.named_parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.15)
            else:
                weight.fill_(0.0 if name.endswith("bias") else 1.0)
    return made


def tiny_qwen3vl() -> Any:
    """Qwen3-VL, with DeepStack, and its real tokenizer."""
    from comfy.text_encoders import llama
    from comfy.text_encoders import qwen3vl as native

    @dataclass
    class Config(llama.Qwen3VL_4BConfig):
        head_dim = 32
        rope_dims = (6, 5, 5)

    vision = {"hidden_size": 32, "intermediate_size": 64, "depth": 2, "num_heads": 2}
    native.QWEN3VL_CONFIGS["qwen3vl_tiny"] = lambda **sizes: Config(**{**SMALL, **sizes})
    native.QWEN3VL_VISION["qwen3vl_tiny"] = {**vision, "deepstack_visual_indexes": [0, 1]}
    return native_clip(
        native.te(model_type="qwen3vl_tiny"), native.tokenizer(model_type="qwen3vl_tiny")
    )


def tiny_gemma3() -> Any:
    """Gemma 3 with vision; its tokenizer comes with the weights, so here is a trained tiny one."""
    import sentencepiece
    from comfy.text_encoders import llama, lumina2

    @dataclass
    class Config(llama.Gemma3_4B_Vision_Config):
        vocab_size: int = 400
        head_dim = 32
        vision_config = {  # noqa: RUF012 (core's own shape)
            **llama.GEMMA3_VISION_CONFIG,
            "hidden_size": 32,
            "image_size": 56,
            "intermediate_size": 64,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
        }
        mm_tokens_per_image = 4

    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=pieces,
        vocab_size=400,
        split_digits=True,
        byte_fallback=True,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    data = {"spiece_model": torch.frombuffer(bytearray(pieces.getvalue()), dtype=torch.uint8)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llama, "Gemma3_4B_Vision_Config", lambda **s: Config(**{**SMALL, **s}))
        te = lumina2.te(model_type="gemma3_4b_vision")
        return native_clip(te, lumina2.NTokenizer, data=data)


def tiny_gemma4() -> Any:
    """Gemma 4 (E4B's way: an encoder for pictures, inputs a layer), with a tiny tokenizer."""
    from comfy.text_encoders import gemma4

    @dataclass
    class Config(gemma4.Gemma4Config):
        vocab_size: int = 512
        hidden_size: int = 64
        intermediate_size: int = 96
        num_hidden_layers: int = 6
        num_attention_heads: int = 2
        num_key_value_heads: int = 1
        hidden_size_per_layer_input: int = 8
        num_kv_shared_layers: int = 0
        head_dim = 16
        global_head_dim = 32
        vision_config = {  # noqa: RUF012 (core's own shape)
            **gemma4.GEMMA4_VISION_CONFIG,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "head_dim": 16,
            "position_embedding_size": 64,
        }
        audio_config = None

    kind = gemma4._make_variant(Config)
    te = gemma4.gemma4_te(model_class=kind)
    clip = native_clip(te, kind.tokenizer, data={"tokenizer_json": _gemma4_tokenizer()})
    for layer in clip.cond_stage_model.gemma4.transformer.model.layers:
        layer.layer_scalar.fill_(1.0)
    return clip


def _gemma4_tokenizer() -> bytes:
    """Single characters, with Gemma 4's numbers for what core looks for."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    characters = [*sorted({c for text in CORPUS for c in text} | set("0123456789")), "▁"]
    vocabulary = {character: 120 + number for number, character in enumerate(characters)}
    special = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<|turn>": 105, "<turn|>": 106}
    special["<|image|>"] = 258880
    model = models.BPE(vocab={**special, **vocabulary}, merges=[], unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    return tokenizer.to_str().encode()


def tiny_text_writer() -> Any:
    """The text encoder of Z-Image (Qwen3): it generates, and sees no pictures."""
    from comfy.text_encoders import z_image

    sizes = {"qwen3_4b_model_config": SMALL}
    return native_clip(z_image.te(), z_image.ZImageTokenizer, options=sizes)


def tiny_clip_l() -> Any:
    """The text encoder of SD1.5: it only encodes."""
    from comfy import sd1_clip

    sizes = {key: value for key, value in SMALL.items() if key != "num_key_value_heads"}
    return native_clip(
        sd1_clip.SD1ClipModel, sd1_clip.SD1Tokenizer, options={"clip_l_model_config": sizes}
    )
