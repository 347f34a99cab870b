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

import torch
from torch import Tensor, nn

from emofeedback.adapter import EmotionAdapter
from emofeedback.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.embedded.clip import encode_ids, load_clip, token_ids
from emofeedback.embedded.generator import (
    FAMILY,
    FILE,
    GeneratorConfig,
    generator_metadata,
    new_transformer,
)

from ..dataset import picture_set
from .clip import text_digest
from .common import Optim, Run, RunOptions, StepRandom, export, half_precision
from .generator_data import Batch, CaptionShares, draw_batch, encode_all, encode_subjects
from .generator_report import report, save_samples


@dataclass(frozen=True, kw_only=True)
class GeneratorRecipe:
    """All values of the recipe."""

    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    adapter_width: int = 192
    batch: int = 32
    pictures: int = 16_000
    picture_seed: int = 0
    captions: CaptionShares = field(default_factory=CaptionShares)
    subject_weight: float = 2.0
    """How much more a latent cell counts where the subject is: it covers a fifth of the picture and
    carries half of what the prompt asks for."""
    sigma_mean: float = 0.8
    """Centre of the noise levels' logits; above 0 the noisy half, where layout forms, gets more."""
    sigma_spread: float = 1.0
    clip: str = ""
    """Digest of the text tower that conditions the generator; filled in by the recipe."""
    minutes: float = 40.0
    optim: Optim = field(
        default_factory=lambda: Optim(
            learning_rate=1.4e-3, warmup_steps=200, weight_decay=0.01, ema_decay=0.999
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
    recipe = replace(recipe, clip=text_digest(options.weights))
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
    subjects = encode_subjects(data.scenes, latents.shape[-1])
    run = Run(
        "generator", options, config=recipe, modules=modules, optim=recipe.optim,
        default_minutes=recipe.minutes,
    )  # fmt: skip

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        batch = draw_batch(data.scenes, recipe.batch, recipe.captions, random.numpy)
        with torch.no_grad():
            words = encode_ids(clip, token_ids(tokenizer, batch.captions))
        clean, subject = (store[batch.indices].float() for store in (latents, subjects))
        return flow_loss(modules, Example(clean, subject, words, batch), recipe, random)

    run.fit(loss, report=lambda _: report(run, modules, recipe.model), report_every=2000)
    if options.export:
        with run.averaged():
            export_weights(run, modules, recipe)
    return run


def initialise(transformer: Any) -> Any:
    """Start every block as the identity and the output at zero (adaLN-zero, arXiv 2212.09748)."""
    for name, module in transformer.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        if "norm1" in name or "norm_out" in name or name == "proj_out":
            nn.init.zeros_(module.weight)
        elif name.startswith("time_text_embed"):
            nn.init.normal_(module.weight, std=0.02)
        else:
            nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return transformer


@dataclass(frozen=True)
class Example:
    """A batch with everything that was computed for it."""

    clean: Tensor
    """[B, 16, h, w] latents."""
    subject: Tensor
    """[B, 1, h, w] how much of each cell the subject covers."""
    words: tuple[Tensor, Tensor]
    batch: Batch


def flow_loss(
    modules: Mapping[str, Any], example: Example, recipe: GeneratorRecipe, random: StepRandom
) -> tuple[Tensor, dict[str, float | Tensor]]:
    """Squared error of the velocity (noise - clean) at a random noise level."""
    clean, batch = example.clean, example.batch
    logits = torch.randn(len(clean), generator=random.torch)
    sigma = torch.sigmoid(recipe.sigma_mean + recipe.sigma_spread * logits)
    noise = torch.randn(clean.shape, generator=random.torch)
    level = sigma[:, None, None, None]
    with half_precision():
        context, pooled = modules["adapter"](*example.words, batch.emotion, batch.fed)
        velocity = modules["transformer"](
            hidden_states=(1 - level) * clean + level * noise,
            encoder_hidden_states=context,
            pooled_projections=pooled,
            timestep=sigma * 1000,
            return_dict=False,
        )[0].float()
    error = (velocity - (noise - clean)).square().mean(dim=1, keepdim=True)
    weight = 1 + recipe.subject_weight * example.subject
    return (weight * error).sum() / weight.sum(), {"flow": error.detach().mean()}


def export_weights(run: Run, modules: Mapping[str, Any], recipe: GeneratorRecipe) -> None:
    """Write the generator and its adapter, with samples and measured numbers."""
    for module in modules.values():
        module.eval()
    with torch.no_grad():
        save_samples(run, modules, recipe.model)
    facts = run.describe() | generator_metadata(recipe.model)
    facts |= {"text_tower": recipe.clip, "evaluation": json.dumps(run.reported)}
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
