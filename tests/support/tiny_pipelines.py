"""SD3.5 and FLUX as tiny random diffusers pipelines, in shapes that ComfyUI recognises too."""

from collections.abc import Callable
from typing import Any

WORDS = ("a", "boat", "dog", "tree", "on", "the", "sea")


def tokenizer() -> Any:
    from emofeedback.embedded.clip import build_tokenizer

    made = build_tokenizer(WORDS)
    made.model_max_length = 12
    return made


def text_tower(kind: str, width: int = 16) -> Any:
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        T5Config,
        T5EncoderModel,
    )

    if kind == "t5":
        config = T5Config(vocab_size=16, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        return T5EncoderModel(config)
    config = CLIPTextConfig(
        vocab_size=16, hidden_size=width, intermediate_size=32, projection_dim=width,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=12,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return (CLIPTextModel if kind == "flux" else CLIPTextModelWithProjection)(config)


def autoencoder(channels: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8), latent_channels=channels, norm_num_groups=4, sample_size=16,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1, shift_factor=0.1, scaling_factor=1.5,
        use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip


def sd35() -> Any:
    import diffusers

    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=8, patch_size=2, in_channels=16, out_channels=16, num_layers=2,
            num_attention_heads=2, attention_head_dim=64, caption_projection_dim=128,
            joint_attention_dim=32, pooled_projection_dim=32, pos_embed_max_size=16,
            qk_norm="rms_norm", dual_attention_layers=(0,),
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(16),
        text_encoder=text_tower("sd3"), text_encoder_2=text_tower("sd3"), text_encoder_3=None,
        tokenizer=tokenizer(), tokenizer_2=tokenizer(), tokenizer_3=None,
    )  # fmt: skip


def flux() -> Any:
    import diffusers

    return diffusers.FluxPipeline(
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1, in_channels=64, num_layers=1, num_single_layers=1,
            num_attention_heads=1, attention_head_dim=128, axes_dims_rope=(16, 56, 56),
            joint_attention_dim=32, pooled_projection_dim=16, guidance_embeds=True,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=autoencoder(16),
        text_encoder=text_tower("flux"), text_encoder_2=text_tower("t5"),
        tokenizer=tokenizer(), tokenizer_2=tokenizer(),
    )  # fmt: skip


PIPELINES: dict[str, Callable[[], Any]] = {"sd3.5": sd35, "flux": flux}
