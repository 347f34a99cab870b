"""Small random model files in the layouts of real families, under their real names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emofeedback.embedded.weights import FOLDER

WIDTH = 128
"""Of the context and the pooled output of the embedded text encoder."""
AUTOENCODER = FOLDER / "drawn_autoencoder.safetensors"


def write_tiny_file(models: Path, place: str) -> None:
    """Writes one of `TINY_FILES` below ComfyUI's models folder."""
    target = models / place
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(TINY_FILES[place](), target)


def _sd35() -> dict[str, Tensor]:
    """A checkpoint with its VAE and without text encoders, as Stability AI publishes it."""
    from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT

    model = MMDiT(
        input_size=None,
        in_channels=16,
        depth=2,
        adm_in_channels=WIDTH,
        context_embedder_config={
            "target": "torch.nn.Linear",
            "params": {"in_features": WIDTH, "out_features": 128},
        },
        num_patches=64,
        pos_embed_max_size=8,
        operations=_operations(),
    )
    vae = load_file(AUTOENCODER)
    return {
        **{f"model.diffusion_model.{key}": value for key, value in _random(model).items()},
        **{f"first_stage_model.{key}": value for key, value in vae.items()},
    }


def _flux() -> dict[str, Tensor]:
    from comfy.ldm.flux.model import Flux

    model = Flux(
        in_channels=16,
        out_channels=16,
        vec_in_dim=WIDTH,
        context_in_dim=WIDTH,
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
        operations=_operations(),
    )
    return _random(model)


def _qwen_vae() -> dict[str, Tensor]:
    """The autoencoder of Qwen-Image, Wan 2.1's: ComfyUI reads its width from the file."""
    from comfy.ldm.wan.vae import WanVAE

    return _random(WanVAE(dim=4, z_dim=16, temperal_downsample=[False, True, True]))


TINY_FILES: dict[str, Callable[[], dict[str, Tensor]]] = {
    "checkpoints/sd3.5_medium.safetensors": _sd35,
    "diffusion_models/flux1-dev.safetensors": _flux,
    "vae/qwen_image_vae.safetensors": _qwen_vae,
    "vae/ae.safetensors": lambda: load_file(AUTOENCODER),
}


def _operations() -> Any:
    import comfy.ops

    return comfy.ops.disable_weight_init


def _random(model: nn.Module) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(7)
    return {
        name: torch.randn(value.shape, generator=draw) * 0.05
        + ("norm" in name and name.endswith(("weight", "scale")))
        for name, value in model.state_dict().items()
    }
