"""Recipe of the embedded generator and its emotion adapter, trained together.

`python -m training.world train generator`, after the CLIP pair was exported.

Rectified flow on the fixed latents of drawn pictures. Half of the pictures come with their true
(valence, arousal) through the adapter and a caption that names a random subset of the cues, often
none: there the adapter has something to say. The other half come with words alone, which then
mostly name every cue: so the words control the picture too, and a neutral prompt means a neutral
picture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emofeedback.adapter import EmotionAdapter
from emofeedback.checkpoint import EmotionFacts, save_checkpoint, tensor_digest
from emofeedback.cues import FAMILIES
from emofeedback.embedded.clip import MODEL, encode_ids, load_clip, token_ids
from emofeedback.embedded.generator import (
    FAMILY,
    FILE,
    GeneratorConfig,
    generator_metadata,
    new_transformer,
)
from emofeedback.embedded.weights import weight_path

from ..captions import caption
from ..dataset import PictureSet, picture_set
from ..scene import Scene
from .common import Optim, Run, RunOptions, StepRandom, export, half_precision
from .generator_report import report, save_samples
from .latents import encode_fixed


@dataclass(frozen=True, kw_only=True)
class GeneratorRecipe:
    """All values of the recipe."""

    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    adapter_width: int = 192
    batch: int = 32
    pictures: int = 16_000
    picture_seed: int = 0
    emotion_share: float = 0.5
    """Share of the pictures that come with their valence and arousal."""
    empty_share: float = 0.1
    """Share of the others that come with no words either, for guidance."""
    full_share: float = 0.75
    """Share of the captions without emotion that name every cue."""
    bare_share: float = 0.5
    """Share of the captions with emotion that name no cue at all."""
    sigma_mean: float = 0.8
    """Centre of the noise levels' logits; above 0 the noisy half, where layout forms, gets more."""
    sigma_spread: float = 1.0
    clip: str = ""
    """Digest of the CLIP pair that conditions the generator; filled in by the recipe."""
    minutes: float = 40.0
    optim: Optim = field(
        default_factory=lambda: Optim(
            learning_rate=1e-3, warmup_steps=150, weight_decay=0.01, ema_decay=0.998
        )
    )


def train(options: RunOptions) -> None:
    """Train or resume; see the module's docstring."""
    size = {} if options.size is None else {"size": options.size}
    train_with(GeneratorRecipe(model=GeneratorConfig(**size)), options)


def train_with(recipe: GeneratorRecipe, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run.

    Raises: CheckpointError: there is no CLIP pair in the weights folder yet.
    """
    clip, tokenizer = load_clip(options.weights)
    digest = tensor_digest(weight_path(f"{MODEL}/model.safetensors", options.weights))
    recipe = replace(recipe, clip=digest[:16])
    torch.manual_seed(options.seed)
    widths = recipe.model.context_width, recipe.model.pooled_width
    modules = {
        "transformer": initialise(new_transformer(recipe.model)),
        "adapter": EmotionAdapter(*widths, recipe.adapter_width),
    }
    data = picture_set(
        recipe.pictures, seed=recipe.picture_seed, size=recipe.model.size, split="train"
    )
    latents = encode_all(data)
    run = Run(
        "generator", options, config=recipe, modules=modules, optim=recipe.optim,
        default_minutes=recipe.minutes,
    )  # fmt: skip

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        batch = draw_batch(data.scenes, recipe, random.numpy)
        with torch.no_grad():
            words = encode_ids(clip, token_ids(tokenizer, batch.captions))
        return flow_loss(modules, latents[batch.indices].float(), words, batch, recipe, random)

    run.fit(loss, report=lambda _: report(run, modules, recipe.model), report_every=1000)
    if options.export:
        with run.averaged():
            export_weights(run, modules, recipe)
    return run


def initialise(transformer: Any) -> Any:
    """Start every block as the identity and the output at zero (adaLN-zero, arXiv 2212.09748)."""
    for name, module in transformer.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        if "norm1" in name or "norm_out" in name or name == "proj_out":
            torch.nn.init.zeros_(module.weight)
        elif name.startswith("time_text_embed"):
            torch.nn.init.normal_(module.weight, std=0.02)
        else:
            torch.nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
    return transformer


@dataclass(frozen=True)
class Batch:
    """What one step is shown."""

    indices: np.ndarray
    captions: list[str]
    emotion: Tensor
    """[B, 2] valence and arousal."""
    fed: Tensor
    """[B] 1 where the emotion reaches the adapter, else 0."""


def encode_all(data: PictureSet, chunk: int = 500) -> Tensor:
    """Fixed latents of all pictures, half precision: [N, 16, h, w]."""
    pictures = data.pictures
    parts = [
        encode_fixed(pictures[start : start + chunk]).half()
        for start in range(0, len(pictures), chunk)
    ]
    return torch.cat(parts)


def draw_batch(scenes: list[Scene], recipe: GeneratorRecipe, rng: np.random.Generator) -> Batch:
    """Random pictures with their words and emotions."""
    indices = rng.integers(len(scenes), size=recipe.batch)
    chosen = [scenes[i] for i in indices]
    fed = rng.random(recipe.batch) < recipe.emotion_share
    captions = [
        draw_caption(scene, recipe, rng, with_emotion=bool(flag))
        for scene, flag in zip(chosen, fed, strict=True)
    ]
    return Batch(
        indices=indices,
        captions=captions,
        emotion=torch.tensor([scene.emotion for scene in chosen], dtype=torch.float32),
        fed=torch.from_numpy(fed).float(),
    )


def draw_caption(
    scene: Scene, recipe: GeneratorRecipe, rng: np.random.Generator, *, with_emotion: bool
) -> str:
    """Words for one picture, as the module's docstring says."""
    subset = [family for family in FAMILIES if rng.random() < 0.5]
    if with_emotion:
        return caption(scene, rng, families=[] if rng.random() < recipe.bare_share else subset)
    if rng.random() < recipe.empty_share:
        return ""
    return caption(scene, rng, families=None if rng.random() < recipe.full_share else subset)


def flow_loss(
    modules: Mapping[str, torch.nn.Module],
    clean: Tensor,
    words: tuple[Tensor, Tensor],
    batch: Batch,
    recipe: GeneratorRecipe,
    random: StepRandom,
) -> tuple[Tensor, dict[str, float | Tensor]]:
    """Squared error of the velocity (noise - clean) at a random noise level."""
    count = len(clean)
    logits = recipe.sigma_mean + recipe.sigma_spread * torch.randn(count, generator=random.torch)
    sigma = torch.sigmoid(logits)
    noise = torch.randn(clean.shape, generator=random.torch)
    level = sigma[:, None, None, None]
    with half_precision():
        context, pooled = modules["adapter"](*words, batch.emotion, batch.fed)
        velocity = modules["transformer"](
            hidden_states=(1 - level) * clean + level * noise,
            encoder_hidden_states=context,
            pooled_projections=pooled,
            timestep=sigma * 1000,
            return_dict=False,
        )[0].float()
    error = (velocity - (noise - clean)).square().mean(dim=(1, 2, 3))
    return error.mean(), {}


def export_weights(run: Run, modules: Mapping[str, Any], recipe: GeneratorRecipe) -> None:
    """Write the generator and its adapter, with samples and measured numbers."""
    for module in modules.values():
        module.eval()
    with torch.no_grad():
        save_samples(run, modules, recipe.model)
    facts = run.describe() | generator_metadata(recipe.model)
    facts |= {"clip_sha256": recipe.clip, "evaluation": json.dumps(run.reported)}
    export(run.options.weights / FILE, modules["transformer"].state_dict(), facts)
    adapter_facts = EmotionFacts(
        base_family=FAMILY,
        trained=facts["command"],
        config_hash=recipe.clip,
        evaluation=run.reported,
    )
    halves = EmotionAdapter(**modules["adapter"].widths()).half()
    halves.load_state_dict(modules["adapter"].state_dict())
    save_checkpoint(run.options.weights, FAMILY, halves, adapter_facts)
