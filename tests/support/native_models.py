"""Tiny random-weight MODELs of ComfyUI's native families, and conditionings in their layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Layout:
    """What a family's text encoder gives.

    Args:
        width: of the context tokens.
        pooled: width of the pooled output, 0 for none.
        tokens: of each text in turn; several where texts are not padded to one length.
        channels: of the latents.
        cfg: 1 where guidance is baked in.
    """

    width: int
    pooled: int
    tokens: tuple[int, ...] = (77,)
    channels: int = 16
    cfg: float = 3.0


LAYOUTS = {
    "sd15": Layout(width=768, pooled=0, channels=4),
    "sd3": Layout(width=96, pooled=48, tokens=(154,)),
    "flux": Layout(width=64, pooled=32, tokens=(40,), cfg=1.0),
    "z_image": Layout(width=48, pooled=0, tokens=(9, 14, 17)),
}


def load_model(family: str) -> Any:
    """A MODEL with small random weights, in fp32: SD1.5, SD3 and FLUX by ComfyUI's own loader."""
    import comfy.model_patcher
    import comfy.sd

    if family == "z_image":
        model = _z_image()
        return comfy.model_patcher.ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))
    made = {"sd15": _sd15, "sd3": _sd3, "flux": _flux}[family]()
    _randomise(made)
    return comfy.sd.load_diffusion_model_state_dict(
        made.state_dict(), model_options={"dtype": torch.float32}
    )


def text(family: str, number: int) -> list[Any]:
    """The conditioning entry of a text; texts are told apart by number."""
    layout, draw = LAYOUTS[family], torch.Generator().manual_seed(number)
    tokens = layout.tokens[number % len(layout.tokens)]
    extra: dict[str, Any] = {}
    if layout.pooled:
        extra["pooled_output"] = torch.randn(1, layout.pooled, generator=draw)
    if family == "z_image":
        extra["attention_mask"] = torch.ones(1, tokens)
    return [torch.randn(1, tokens, layout.width, generator=draw), extra]


def load_controlnet() -> Any:
    """A ControlNet for the tiny SD1.5, with random weights."""
    import comfy.cldm.cldm
    import comfy.controlnet
    import comfy.ops

    shape = {key: value for key, value in _SD15.items() if key not in ("out_channels",)}
    made = comfy.cldm.cldm.ControlNet(
        hint_channels=3, operations=comfy.ops.manual_cast, dtype=torch.float32, **shape
    )
    _randomise(made)
    return comfy.controlnet.ControlNet(
        made, load_device=torch.device("cpu"), manual_cast_dtype=torch.float32
    )


_SD15: dict[str, Any] = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [1],
    "channel_mult": [1],
    "transformer_depth": [1],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1],
    "use_spatial_transformer": True,
    "context_dim": 768,
    "num_heads": 8,
    "legacy": False,
}


def _sd15() -> nn.Module:
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    return UNetModel(operations=comfy.ops.disable_weight_init, **_SD15)


def _sd3() -> nn.Module:
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT

    layout = LAYOUTS["sd3"]
    return MMDiT(
        input_size=None,
        in_channels=16,
        depth=2,
        adm_in_channels=layout.pooled,
        context_embedder_config={
            "target": "torch.nn.Linear",
            "params": {"in_features": layout.width, "out_features": 128},
        },
        num_patches=64,
        pos_embed_max_size=8,
        operations=comfy.ops.disable_weight_init,
    )


def _flux() -> nn.Module:
    import comfy.ops
    from comfy.ldm.flux.model import Flux

    return Flux(
        in_channels=16,
        out_channels=16,
        vec_in_dim=LAYOUTS["flux"].pooled,
        context_in_dim=LAYOUTS["flux"].width,
        hidden_size=128,
        mlp_ratio=4.0,
        num_heads=1,
        depth=1,
        depth_single_blocks=1,
        axes_dim=[16, 56, 56],
        theta=10000,
        patch_size=2,
        qkv_bias=True,
        guidance_embed=True,
        txt_ids_dims=[],
        operations=comfy.ops.disable_weight_init,
    )


def _z_image() -> Any:
    """Built directly, without ComfyUI's loader: what a pack with its own model would do."""
    import comfy.model_base
    import comfy.supported_models

    config = comfy.supported_models.Lumina2(
        {
            "image_model": "lumina2",
            "patch_size": 2,
            "in_channels": 16,
            "dim": 64,
            "n_layers": 1,
            "n_refiner_layers": 1,
            "n_heads": 2,
            "n_kv_heads": 2,
            "multiple_of": 32,
            "qk_norm": True,
            "cap_feat_dim": LAYOUTS["z_image"].width,
            "axes_dims": [8, 12, 12],
            "axes_lens": [300, 512, 512],
            "dtype": torch.float32,
        }
    )
    config.set_inference_dtype(torch.float32, None)
    model = comfy.model_base.Lumina2(config, device=torch.device("cpu"))
    _randomise(model.diffusion_model)
    return model


def _randomise(model: nn.Module) -> None:
    draw = torch.Generator().manual_seed(7)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            level = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            value.copy_(level + torch.randn(value.shape, generator=draw) * 0.05)
