"""A custom node for tests: a vision-language model of ComfyUI's own kind, shrunken and random.

Text encoders are recognised by sizes that no small file can have, so a test puts this node in the
place of the loader. Everything behind it is the real thing.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch

TINY = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "partial_rotary_factor": 0.5,
    "mrope_section": [3, 3, 2],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "vision": {"hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "depth": 2},
}


def tiny_qwen35() -> Any:
    """ComfyUI's own Qwen3.5 with its real tokenizer, shrunken, with random weights."""
    import comfy.sd
    from comfy.text_encoders import qwen35 as native

    native.QWEN35_MODELS["qwen35_tiny"] = TINY

    class Target:
        params: ClassVar[dict] = {}
        clip = native.te(model_type="qwen35_tiny")
        tokenizer = native.tokenizer(model_type="qwen35_tiny")

    clip = comfy.sd.CLIP(Target, parameters=16_000_000, model_options={"dtype": torch.float32})
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(2)
        for name, weight in clip.cond_stage_model.named_parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.15)
            else:
                weight.fill_(0.0 if name.endswith(("bias", "A_log")) else 1.0)
    return clip


class TinyVisionLanguageModel:
    """Stands for CLIPLoader; it ends its answers soon."""

    RETURN_TYPES = ("CLIP",)
    FUNCTION = "load"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # ComfyUI's name
        return {"required": {}}

    def load(self) -> tuple[Any]:
        clip = tiny_qwen35()
        model = clip.cond_stage_model.qwen35_tiny.transformer.model
        with torch.no_grad():
            model.embed_tokens.weight[model.config.stop_tokens] *= 10  # outspoken, this way or that
        return (clip,)


NODE_CLASS_MAPPINGS = {"TinyVisionLanguageModel": TinyVisionLanguageModel}
