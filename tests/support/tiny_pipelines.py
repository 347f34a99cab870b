"""Tiny random diffusers pipelines of every family, in shapes that ComfyUI recognises too."""

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


CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer() -> Any:
    """A token a byte: enough for the long instructions of the newer families."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core = Tokenizer(models.BPE({each: n for n, each in enumerate([*special, *letters])}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=special[0], eos_token=special[2],
        additional_special_tokens=special[1:], chat_template=CHAT, padding_side="right",
    )  # fmt: skip
    made.model_max_length = 4096
    return made


SMALL = {
    "vocab_size": 259, "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 4, "max_position_embeddings": 4096,
}  # fmt: skip


def qwen3(layers: int) -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    return Qwen3ForCausalLM(Qwen3Config(num_hidden_layers=layers, **SMALL))


def flow(**options: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**options)


def flux2() -> Any:
    import diffusers

    return diffusers.Flux2KleinPipeline(
        transformer=diffusers.Flux2Transformer2DModel(
            in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=1, joint_attention_dim=24, timestep_guidance_channels=256,
            axes_dims_rope=(4, 4, 4, 4), mlp_ratio=2.0, guidance_embeds=False,
        ),
        scheduler=flow(use_dynamic_shifting=True, shift=3.0),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4, sample_size=16,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            layers_per_block=1,
        ),
        text_encoder=qwen3(28), tokenizer=byte_tokenizer(),
    )  # fmt: skip


def qwen_image() -> Any:
    import diffusers
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {**SMALL, "num_hidden_layers": 1}
    del text["head_dim"]
    text["rope_parameters"] = {
        "rope_type": "default",
        "mrope_section": [1, 1, 0],
        "rope_theta": 1e4,
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config={
            "depth": 1, "hidden_size": 8, "intermediate_size": 8, "num_heads": 1,
            "out_hidden_size": 8,
        },
    )  # fmt: skip
    spread = [1.0 + n / 8 for n in range(16)]
    return diffusers.QwenImagePipeline(
        transformer=diffusers.QwenImageTransformer2DModel(
            in_channels=64, out_channels=16, num_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=8, axes_dims_rope=(4, 6, 6),
        ),
        scheduler=flow(
            use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, shift_terminal=0.02,
            max_image_seq_len=8192,
        ),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=4, z_dim=16, dim_mult=[1, 2], num_res_blocks=1, temperal_downsample=[False],
            latents_mean=[0.1, -0.1, 0.2, 0.0] * 4, latents_std=spread,
        ),
        text_encoder=Qwen2_5_VLForConditionalGeneration(config), tokenizer=byte_tokenizer(),
    )  # fmt: skip


def z_image() -> Any:
    import diffusers

    return diffusers.ZImagePipeline(
        transformer=diffusers.ZImageTransformer2DModel(
            in_channels=16, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2,
            cap_feat_dim=8, axes_dims=[4, 6, 6], axes_lens=[1024, 64, 64],
        ),
        scheduler=flow(shift=3.0),
        vae=autoencoder(16), text_encoder=qwen3(2).model, tokenizer=byte_tokenizer(),
    )  # fmt: skip


def sana() -> Any:
    import diffusers
    from transformers import Gemma2Config, Gemma2Model

    return diffusers.SanaPipeline(
        transformer=diffusers.SanaTransformer2DModel(
            in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8,
            num_layers=1, num_cross_attention_heads=2, cross_attention_head_dim=8,
            cross_attention_dim=16, caption_channels=8, sample_size=8,
        ),
        scheduler=diffusers.DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        vae=diffusers.AutoencoderDC(
            in_channels=3, latent_channels=4, attention_head_dim=2, scaling_factor=0.41,
            encoder_block_types="ResBlock", decoder_block_types="ResBlock",
            encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1), decoder_layers_per_block=[1, 1],
            downsample_block_type="conv", upsample_block_type="interpolate",
            decoder_norm_types="rms_norm", decoder_act_fns="silu",
        ),
        text_encoder=Gemma2Model(Gemma2Config(num_hidden_layers=1, **SMALL)),
        tokenizer=byte_tokenizer(),
    )  # fmt: skip


def sdxl() -> Any:
    import diffusers

    return diffusers.StableDiffusionXLPipeline(
        unet=diffusers.UNet2DConditionModel(
            sample_size=8, in_channels=4, out_channels=4, block_out_channels=(32, 64),
            layers_per_block=1, norm_num_groups=32, cross_attention_dim=32,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(1, 2),
            transformer_layers_per_block=(1, 1), use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=256 * 6 + 16,
        ),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
            set_alpha_to_one=False, steps_offset=1, timestep_spacing="leading",
        ),
        vae=autoencoder(4),
        text_encoder=text_tower("flux"), text_encoder_2=text_tower("sd3"),
        tokenizer=tokenizer(), tokenizer_2=tokenizer(),
    )  # fmt: skip


PIPELINES: dict[str, Callable[[], Any]] = {
    "sd3.5": sd35,
    "flux": flux,
    "flux2": flux2,
    "qwen-image": qwen_image,
    "z-image": z_image,
    "sana": sana,
    "sdxl": sdxl,
}
