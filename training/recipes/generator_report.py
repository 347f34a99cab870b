"""What a generator's run looks like on the way: sample sheets and the CLIP pair's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emofeedback.embedded.autoencoder import FILE, decode
from emofeedback.embedded.clip import (
    embed_images,
    embed_texts,
    encode_ids,
    load_clip,
    token_ids,
)
from emofeedback.embedded.generator import GeneratorConfig, sample_latents

from ..runs.run import Run
from ..world.vocabulary import PLACE_PHRASES, PLACES, SUBJECTS
from .latents import decode_fixed
from .samples import save_grid

STEPS, GUIDANCE = 20, 3.0
CORNERS = ((-2.5, 2.5), (0.0, 2.5), (2.5, 2.5), (-2.5, 0.0), (2.5, 0.0), (-2.5, -2.5), (2.5, -2.5))


def sample(
    run: Run,
    modules: Mapping[str, Any],
    config: GeneratorConfig,
    prompts: Sequence[str],
    emotion: Sequence[tuple[float, float]] | None = None,
    *,
    seed: int = 0,
    guidance: float = GUIDANCE,
) -> Tensor:
    """Pictures [B, H, W, 3] of prompts; by the exported autoencoder, or the bare transform."""
    clip, tokenizer = load_clip(run.options.weights)
    context, pooled = encode_ids(clip, token_ids(tokenizer, prompts))
    if emotion is not None:
        context, pooled = modules["adapter"](context, pooled, torch.tensor(emotion))
    side = config.size // 8
    noise = torch.randn(
        (len(prompts), 16, side, side), generator=torch.Generator().manual_seed(seed)
    )
    latents = sample_latents(
        modules["transformer"], (context, pooled), encode_ids(clip, token_ids(tokenizer, [""])),
        noise, steps=STEPS, guidance=guidance, shift=config.shift,
    )  # fmt: skip
    if (run.options.weights / FILE).is_file():
        return decode(latents, run.options.weights)
    return decode_fixed(latents)


def report(run: Run, modules: Mapping[str, Any], config: GeneratorConfig) -> dict[str, float]:
    """Accuracy of place and subject on 40 neutral prompts by the CLIP pair; also writes a sheet."""
    rng = np.random.default_rng(7)
    wanted = [(int(rng.integers(len(PLACES))), i % len(SUBJECTS)) for i in range(40)]
    prompts = [f"a {SUBJECTS[s]} {PLACE_PHRASES[PLACES[p]][0]}" for p, s in wanted]
    pictures = torch.cat(
        [sample(run, modules, config, prompts[i : i + 8], seed=i) for i in range(0, 40, 8)]
    )
    save_grid(run.options.run_dir / f"neutral-{run.step:06d}.png", pictures, columns=8)
    clip, tokenizer = load_clip(run.options.weights)
    images = embed_images(clip, pictures)
    every = [f"a {subject} {PLACE_PHRASES[place][0]}" for place in PLACES for subject in SUBJECTS]
    chosen = (images @ embed_texts(clip, tokenizer, every).T).argmax(dim=1).numpy()
    truth = np.array(wanted)
    return {
        "place_top1": float((chosen // len(SUBJECTS) == truth[:, 0]).mean()),
        "subject_top1": float((chosen % len(SUBJECTS) == truth[:, 1]).mean()),
    }


def save_samples(run: Run, modules: Mapping[str, Any], config: GeneratorConfig) -> None:
    """A sheet over the plane: a prompt a row; the words alone first, then seven emotions."""
    rows = []
    for row, prompt in enumerate(("a boat on the sea", "a dog in the forest", "a house in a city")):
        rows.append(sample(run, modules, config, [prompt], seed=row))
        rows.append(sample(run, modules, config, [prompt] * len(CORNERS), CORNERS, seed=row))
    path = run.options.run_dir / f"plane-{run.step:06d}.png"
    save_grid(path, torch.cat(rows), columns=1 + len(CORNERS))
