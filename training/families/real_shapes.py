"""Networks at the sizes that people own, for torch's meta device: shapes without weights."""

from __future__ import annotations

from typing import Any

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "sd3.5-medium": ("SD3Transformer2DModel", {
        "sample_size": 128, "num_layers": 24, "num_attention_heads": 24,
        "joint_attention_dim": 4096, "caption_projection_dim": 1536, "pos_embed_max_size": 384,
        "qk_norm": "rms_norm", "dual_attention_layers": tuple(range(13)),
    }),
    "flux": ("FluxTransformer2DModel", {"guidance_embeds": True}),
    "flux2": ("Flux2Transformer2DModel", {}),
    "qwen-image": ("QwenImageTransformer2DModel", {}),
    "z-image": ("ZImageTransformer2DModel", {}),
    "sdxl": ("UNet2DConditionModel", {
        "block_out_channels": (320, 640, 1280), "attention_head_dim": (5, 10, 20),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 2048, "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True, "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
    }),
}  # fmt: skip
"""Class in diffusers, and what of it is not its default."""


def real_network(name: str, **smaller: Any) -> Any:
    """A network of `SHAPES` on the meta device.

    Args:
        smaller: options that make it shorter, as fewer layers.
    """
    import diffusers
    import torch

    kind, options = SHAPES[name]
    with torch.device("meta"):
        return getattr(diffusers, kind)(**options | smaller)
