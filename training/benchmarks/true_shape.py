"""What a GPU session measures at true shapes with random weights:

    python -m training.benchmarks.true_shape [--tiny]

A step of preset fast on SD3.5-Medium's network at 512 px, against the GEMM peak and interleaved
with a plain loop over the same calls and with one in the shape of public Flow-GRPO code; and the
language model of an 8 B vision-language model that reads a batch by expected value (one pass)
against one that writes its reasons first. The vision tower, text encoders and autoencoder are not
in it.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter

from ..data.prompts import drawn_prompts
from ..families.base import Words
from ..families.real_shapes import real_network
from ..families.smoke import SmokeFamily
from ..rewards.models import build_rewards
from ..rl.policy import Policy
from ..rl.trainer import Trainer
from ..settings.files import load_config, preset_path
from .speed import SpeedOptions, report_speed

log = logging.getLogger(__name__)
TEXT_TOKENS = 333
READ_TOKENS, REASON_TOKENS = 420, 160
"""Of a picture with its question, and of an answer with reasons."""
TINY_NETWORK = {
    "num_layers": 2, "num_attention_heads": 2, "caption_projection_dim": 128, "sample_size": 8,
    "pos_embed_max_size": 8, "dual_attention_layers": (0,),
}  # fmt: skip
LANGUAGE = {
    "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936,
}  # fmt: skip
TINY_LANGUAGE = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "vocab_size": 512,
}  # fmt: skip


class TrueShape(SmokeFamily):
    """SD3.5-Medium's network with random weights and words; colours straight from the latents."""

    def __init__(self, *, tiny: bool, device: torch.device, dtype: torch.dtype) -> None:
        made = real_network("sd3.5-medium", **(TINY_NETWORK if tiny else {}))
        self.transformer = made.to_empty(device=device).to(dtype).eval()
        with torch.no_grad():
            for value in (*self.transformer.parameters(), *self.transformer.buffers()):
                value.normal_(0, 0.02)
        cells = 8 if tiny else 64
        self.latent_shape = (16, cells, cells)
        self.adapter = EmotionAdapter(4096, 2048).to(device)
        self._device = device

    def encode(self, prompts: Sequence[str]) -> Words:
        """See `Family.encode`: noise."""
        draw = torch.Generator().manual_seed(len(prompts[0]))
        shapes = ((len(prompts), TEXT_TOKENS, 4096), (len(prompts), 2048))
        context, pooled = (torch.randn(shape, generator=draw) for shape in shapes)
        return context.to(self._device), pooled.to(self._device)

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        dtype = self.transformer.dtype
        return super().velocity(latents.to(dtype), sigma, tuple(each.to(dtype) for each in words))


def measure_step(*, tiny: bool, device: torch.device) -> None:
    """Preset fast, its batch cut to two groups."""
    overrides = [
        "reward.emotion=0", "reward.pick_score=0", "reward.brightness=1", "reward.scorer=rules",
        "model.needs_gpu=false", "data.prompts_per_step=2", "watch.every=0",
    ]  # fmt: skip
    if tiny:
        overrides += [
            "rollout.group_size=2", "rollout.num_inference_steps=2", "rollout.window=1",
            "optim.updates=1", "model.dtype=float32", "model.lora_rank=2",
        ]  # fmt: skip
    config = load_config(preset_path("fast"), overrides)
    family = TrueShape(tiny=tiny, device=device, dtype=getattr(torch, config.model.dtype))
    trainer = Trainer(
        config, Policy(family, config.model), build_rewards(config.reward), drawn_prompts()
    )
    times = 1 if tiny else 3
    report_speed(trainer, SpeedOptions(repeats=times, compare=times), device)


def new_language(*, tiny: bool, device: torch.device) -> Any:
    """The language model of an 8 B vision-language model, with random weights."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    dtype = torch.float32 if tiny else torch.bfloat16
    with torch.device(device):
        shape = TINY_LANGUAGE if tiny else LANGUAGE
        return Qwen3ForCausalLM(Qwen3Config(**shape, dtype=dtype)).to(dtype).eval()


@torch.inference_mode()
def measure_reading(*, tiny: bool, device: torch.device) -> None:
    """Pictures a second by one pass, and with reasons."""
    model = new_language(tiny=tiny, device=device)
    rows, new = (2, 4) if tiny else (32, REASON_TOKENS)
    ids = torch.randint(5, model.config.vocab_size, (rows, READ_TOKENS), device=device)

    def reason() -> Any:
        return model.generate(
            ids, attention_mask=torch.ones_like(ids), min_new_tokens=new, max_new_tokens=new,
            do_sample=False, pad_token_id=0,
        )  # fmt: skip

    read = _seconds(lambda: model(ids, logits_to_keep=1), device)
    told = _seconds(reason, device)
    log.info("expected value         %.1f pictures a second (%d a batch)", rows / read, rows)
    log.info("reasoned, %3d tokens   %.1f pictures a second", new, rows / told)
    log.info("reasons cost           %.1f times as much", told / read)


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    found = []
    for _ in range(4):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - started)
    return statistics.median(found[1:])


def main() -> int:
    """Measure both."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tiny", action="store_true", help="small shapes: a dry run on a CPU")
    tiny = options.parse_args().tiny
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    measure_step(tiny=tiny, device=device)
    measure_reading(tiny=tiny, device=device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
