"""`python -m tools.cards`: the table of docs/what-fits-my-card.md, from the networks' own sizes.

Generators and text encoders are counted on torch's meta device, without weights; scorers by the
number of parameters in their names.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import torch

from emofeedback.commands.fits import CARDS, GIB, phases, verdict

log = logging.getLogger(__name__)
BYTES = {"fp16": 2.0, "fp8": 1.0, "Q4 (GGUF)": 0.6}
SCORERS = {"server": 0.0, "2B fp16": 2.1e9 * 2, "4B fp8": 4.4e9, "8B fp8": 8.8e9}
PICTURES = 4


def networks() -> dict[str, tuple[Callable[[], Any], tuple[Callable[[], Any], ...], int]]:
    """Generator, its text encoders, and its usual side in pixels, by name."""
    import diffusers
    import transformers

    def clip(width: int, layers: int, heads: int) -> Callable[[], Any]:
        config = transformers.CLIPTextConfig(
            hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
            num_attention_heads=heads, projection_dim=width,
        )  # fmt: skip
        return lambda: transformers.CLIPTextModelWithProjection(config)

    def t5() -> Any:
        config = transformers.T5Config(
            d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64,
            feed_forward_proj="gated-gelu",
        )  # fmt: skip
        return transformers.T5EncoderModel(config)

    def sdxl() -> Any:
        return diffusers.UNet2DConditionModel(
            block_out_channels=(320, 640, 1280), attention_head_dim=(5, 10, 20),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=2048, transformer_layers_per_block=(1, 2, 10),
            use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
        )  # fmt: skip

    def sd35() -> Any:
        return diffusers.SD3Transformer2DModel(
            sample_size=128, num_layers=24, num_attention_heads=24, joint_attention_dim=4096,
            caption_projection_dim=1536, pos_embed_max_size=384, qk_norm="rms_norm",
            dual_attention_layers=tuple(range(13)),
        )  # fmt: skip

    large, big = clip(768, 12, 12), clip(1280, 32, 20)
    return {
        "SDXL": (sdxl, (large, big), 1024),
        "SD3.5 Medium": (sd35, (large, big, t5), 1024),
        "FLUX.1": (
            lambda: diffusers.FluxTransformer2DModel(guidance_embeds=True),
            (large, t5),
            1024,
        ),
    }


def parameters(made: Callable[[], Any]) -> int:
    """Of a network, without a byte of weights."""
    with torch.device("meta"):
        return sum(value.numel() for value in made().parameters())


def main() -> int:
    """Print the table as Markdown."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    log.info("| generator | as | scorer | %s |", " | ".join(f"{card} GB" for card in CARDS))
    log.info("| --- | --- | --- |%s", " --- |" * len(CARDS))
    for name, (generator, encoders, side) in networks().items():
        sizes = parameters(generator), sum(parameters(each) for each in encoders)
        for kind, width in BYTES.items():
            if name == "SDXL" and kind != "fp16":
                continue
            for scorer, weights in SCORERS.items():
                found = phases(
                    generator=sizes[0] * width / GIB,
                    encoders=sizes[1] * max(width, 1.0) / GIB,
                    vae=0.16, scorer=weights / GIB, side=side, pictures=PICTURES,
                )  # fmt: skip
                cells = " | ".join(_short(verdict(found, card)) for card in CARDS)
                log.info("| %s | %s | %s | %s |", name, kind, scorer, cells)
    return 0


def _short(text: str) -> str:
    """A verdict as one letter; the page says what they mean."""
    if text == "all at once":
        return "A"
    if "slow" in text:
        return "-"
    return "c" if "fewer" in text else "S"


if __name__ == "__main__":
    sys.exit(main())
