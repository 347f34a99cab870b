"""A custom node for tests: Qwen-Image-Edit as ComfyUI has it, shrunken and random.

ComfyUI takes its width from a table of real sizes, so no small file is one: a test puts this node
in the place of the two loaders. Network, text encoder and tokenizer are ComfyUI's own.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

WIDTH = 64
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
NETWORK = {
    "image_model": "qwen_image",
    "in_channels": 64,
    "out_channels": 16,
    "num_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 1,
    "joint_attention_dim": WIDTH,
    "axes_dims_rope": (4, 6, 6),
}


def _random(module: nn.Module) -> None:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        for name, weight in module.named_parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.05)
            else:
                weight.fill_("norm" in name and name.endswith("weight"))


def tiny_model() -> Any:
    """A MODEL of one block."""
    import comfy.model_management
    import comfy.model_patcher
    import comfy.supported_models

    device = comfy.model_management.get_torch_device()
    config = comfy.supported_models.QwenImage(dict(NETWORK))
    config.set_inference_dtype(torch.float32, None, device=device)
    model = config.get_model({}, device=device)
    _random(model.diffusion_model)
    return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=device)


def tiny_clip() -> Any:
    """A CLIP that sees pictures, with its real tokenizer and templates."""
    import comfy.sd
    from comfy import sd1_clip
    from comfy.text_encoders import llama, qwen_image, qwen_vl

    class Network(llama.Qwen25_7BVLI):
        def __init__(self, config: Any, dtype: Any, device: Any, operations: Any) -> None:
            super().__init__(config, dtype, device, operations)
            self.visual = qwen_vl.Qwen2VLVisionTransformer(
                hidden_size=32, output_hidden_size=WIDTH, intermediate_size=48, num_heads=2,
                num_layers=1, device=device, dtype=dtype, ops=operations,
            )  # fmt: skip

    class Encoder(sd1_clip.SDClipModel):
        def __init__(self, **options: Any) -> None:
            super().__init__(
                layer="last", textmodel_json_config=TEXT, special_tokens={"pad": 151643},
                layer_norm_hidden_state=False, model_class=Network, enable_attention_masks=True,
                return_attention_masks=True, **options,
            )  # fmt: skip

    class Whole(qwen_image.QwenImageTEModel):
        def __init__(self, **options: Any) -> None:
            sd1_clip.SD1ClipModel.__init__(self, name="qwen25_7b", clip_model=Encoder, **options)

    class Target:
        params: ClassVar[dict] = {}
        clip = Whole
        tokenizer = qwen_image.QwenImageTokenizer

    clip = comfy.sd.CLIP(Target, parameters=10_000_000, model_options={"dtype": torch.float32})
    _random(clip.cond_stage_model)
    return clip


class TinyQwenImageEdit:
    """Stands for UNETLoader and CLIPLoader."""

    RETURN_TYPES = ("MODEL", "CLIP")
    FUNCTION = "load"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # ComfyUI's name
        return {"required": {}}

    def load(self) -> tuple[Any, Any]:
        return tiny_model(), tiny_clip()


NODE_CLASS_MAPPINGS = {"TinyQwenImageEdit": TinyQwenImageEdit}
