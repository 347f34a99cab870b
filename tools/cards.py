"""`python -m tools.cards`: the table of docs/what-fits-my-card.md, from the networks' own sizes.

Generators and text encoders are counted on torch's meta device, without weights; scorers by the
number of parameters in their names.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from emofeedback.commands.fits import CARDS, GIB, phases, verdict
from training.families.real_shapes import real_network

log = logging.getLogger(__name__)
BYTES = {"fp16": 2.0, "fp8": 1.0, "Q4 (GGUF)": 0.6}
SCORERS = {"server": 0.0, "2B fp16": 2.1e9 * 2, "4B fp8": 4.4e9, "8B fp8": 8.8e9}
PICTURES = 4


def networks() -> dict[str, tuple[Callable[[], Any], tuple[Callable[[], Any], ...], int]]:
    """Generator, its text encoders, and its usual side in pixels, by name."""
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

    large, big = clip(768, 12, 12), clip(1280, 32, 20)
    return {
        "SDXL": (partial(real_network, "sdxl"), (large, big), 1024),
        "SD3.5 Medium": (partial(real_network, "sd3.5-medium"), (large, big, t5), 1024),
        "FLUX.1": (partial(real_network, "flux"), (large, t5), 1024),
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
