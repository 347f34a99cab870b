"""A tiny diffusers network as a model of ComfyUI: its own class and names, the same weights."""

from typing import Any

import torch


def under_own_names(state: dict[str, torch.Tensor], key_map: dict[str, Any]) -> dict[str, Any]:
    """Weights of a diffusers network as ComfyUI's own network names them, by its own table."""
    own: dict[str, Any] = {}
    parts: dict[str, list[tuple[int, torch.Tensor]]] = {}
    for key, value in state.items():
        target = key_map[key]
        if isinstance(target, str):
            own[target] = value
        elif target[1] is None:
            own[target[0]] = target[2](value)  # a swap of halves: its own inverse
        else:
            parts.setdefault(target[0], []).append((target[1][1], value))
    for name, found in parts.items():
        own[name] = torch.cat([value for _, value in sorted(found, key=lambda pair: pair[0])])
    return own


def comfyui_model(family: str, network: Any) -> Any:
    """A ModelPatcher around ComfyUI's own network with the weights of this one of diffusers."""
    import comfy.model_management
    import comfy.model_patcher
    import comfy.sd

    # copies, since ComfyUI swaps halves of some weights in place
    state = {key: value.clone() for key, value in network.state_dict().items()}
    if family in ("sd3.5", "flux"):
        return comfy.sd.load_diffusion_model_state_dict(state, {"dtype": torch.float32})
    # ComfyUI takes the widths of these from a table of real sizes, so theirs are given here
    config, key_map = {
        "flux2": _flux2, "qwen-image": _qwen_image, "z-image": _z_image, "sdxl": _sdxl,
    }[family](network.config, state)  # fmt: skip
    device = comfy.model_management.get_torch_device()
    config.set_inference_dtype(torch.float32, None, device=device)
    model = config.get_model({}, device=device)
    if family == "z-image":
        _narrow_time(model.diffusion_model, network.config.dim)
    model.diffusion_model.load_state_dict(under_own_names(state, key_map))
    return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=device)


def _flux2(shape: Any, state: dict[str, torch.Tensor]) -> tuple[Any, dict[str, Any]]:
    import comfy.supported_models
    import comfy.utils

    config = comfy.supported_models.Flux2({
        "image_model": "flux2", "in_channels": shape.in_channels,
        "out_channels": shape.in_channels, "vec_in_dim": None,
        "context_in_dim": shape.joint_attention_dim,
        "hidden_size": shape.num_attention_heads * shape.attention_head_dim,
        "mlp_ratio": shape.mlp_ratio, "num_heads": shape.num_attention_heads,
        "depth": shape.num_layers, "depth_single_blocks": shape.num_single_layers,
        "axes_dim": list(shape.axes_dims_rope), "theta": shape.rope_theta, "patch_size": 1,
        "qkv_bias": False, "guidance_embed": shape.guidance_embeds, "txt_ids_dims": [3],
        "global_modulation": True, "mlp_silu_act": True, "ops_bias": False,
    })  # fmt: skip
    table = comfy.utils.flux_to_diffusers(config.unet_config)
    for place in ("double_stream_modulation_img", "double_stream_modulation_txt",
                  "single_stream_modulation"):  # fmt: skip
        table[f"{place}.linear.weight"] = f"{place}.lin.weight"
    for ours, own in (("linear_1", "in_layer"), ("linear_2", "out_layer")):
        key = f"time_guidance_embed.timestep_embedder.{ours}.weight"
        table[key] = f"time_in.{own}.weight"
    return config, table


def _qwen_image(shape: Any, state: dict[str, torch.Tensor]) -> tuple[Any, dict[str, Any]]:
    import comfy.supported_models

    config = comfy.supported_models.QwenImage({
        "image_model": "qwen_image", "in_channels": shape.in_channels,
        "out_channels": shape.out_channels, "num_layers": shape.num_layers,
        "attention_head_dim": shape.attention_head_dim,
        "num_attention_heads": shape.num_attention_heads,
        "joint_attention_dim": shape.joint_attention_dim,
        "axes_dims_rope": tuple(shape.axes_dims_rope),
    })  # fmt: skip
    return config, {key: key for key in state}


def _z_image(shape: Any, state: dict[str, torch.Tensor]) -> tuple[Any, dict[str, Any]]:
    import comfy.supported_models
    import comfy.utils

    config = comfy.supported_models.ZImage({
        "image_model": "lumina2", "patch_size": 2, "in_channels": shape.in_channels,
        "dim": shape.dim, "cap_feat_dim": shape.cap_feat_dim, "n_layers": shape.n_layers,
        "n_refiner_layers": shape.n_refiner_layers, "qk_norm": True, "n_heads": shape.n_heads,
        "n_kv_heads": shape.n_kv_heads, "axes_dims": list(shape.axes_dims),
        "axes_lens": list(shape.axes_lens), "rope_theta": shape.rope_theta,
        "ffn_dim_multiplier": 8 / 3, "multiple_of": 1, "z_image_modulation": True,
        "time_scale": shape.t_scale, "pad_tokens_multiple": 32,
    })  # fmt: skip
    return config, comfy.utils.z_image_to_diffusers(config.unet_config)


def _narrow_time(network: Any, width: int) -> None:
    """Gives ComfyUI's Z-Image the time embedding of a network narrower than 256."""
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.mmdit import TimestepEmbedder

    network.t_embedder = TimestepEmbedder(
        1024, output_size=width, dtype=torch.float32, operations=comfy.ops.disable_weight_init
    )


def _sdxl(shape: Any, state: dict[str, torch.Tensor]) -> tuple[Any, dict[str, Any]]:
    import comfy.supported_models
    import comfy.utils

    first = shape.block_out_channels[0]
    config = comfy.supported_models.SDXL({
        "image_size": 32, "in_channels": shape.in_channels, "out_channels": shape.out_channels,
        "use_spatial_transformer": True, "legacy": False, "num_classes": "sequential",
        "adm_in_channels": shape.projection_class_embeddings_input_dim, "model_channels": first,
        "channel_mult": [width // first for width in shape.block_out_channels],
        "num_res_blocks": [1, 1], "transformer_depth": [0, 1], "transformer_depth_middle": 1,
        "transformer_depth_output": [0, 0, 1, 1], "use_linear_in_transformer": True,
        "context_dim": shape.cross_attention_dim, "use_temporal_attention": False,
        "use_temporal_resblock": False,
    })  # fmt: skip
    config.unet_config["num_head_channels"] = first  # of the tiny one; 64 of all that ship
    return config, comfy.utils.unet_to_diffusers(config.unet_config)
