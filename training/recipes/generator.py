"""Recipe of the embedded generator and its emotion adapter, trained together.

`python -m training.world train generator`, after the CLIP pair was exported.

Rectified flow on the fixed latents of drawn pictures. Those drawn evenly over the plane come mostly
with their true (valence, arousal) through the adapter and a caption that names a random subset of
the cues, often none: there the adapter has something to say. The others come with words alone,
which name what was pinned: so words control the picture too, and what they do not name is left to
chance.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.control.checkpoint import EmotionFacts, save_checkpoint
from emofeedback.embedded.clip import encode_ids, load_clip, token_ids
from emofeedback.embedded.generator import (
    FAMILY,
    FILE,
    GeneratorConfig,
    generator_metadata,
    load_generator,
    new_transformer,
)

from ..runs.optim import Optim
from ..runs.run import Run, RunOptions, StepRandom
from ..world.dataset import picture_set
from .clip import text_digest
from .files import export
from .generator_data import (
    Batch,
    CaptionShares,
    draw_batch,
    encode_all,
    encode_subjects,
    place_odds,
)
from .generator_report import report, save_samples
from .half import half_precision

SUBJECT_FIRST = 0.6
"""Share of the training in which subjects count more than the rest."""
LOUDEST_SIGMA = 0.6
"""Below this noise level an error of the clean picture counts no more than at it. The velocity's
error is that error divided by sigma; fine detail at little noise would drown what decides the
picture at much noise."""
DETAIL_SIGMAS = 0.03, 0.5


@dataclass(frozen=True, kw_only=True)
class GeneratorRecipe:
    """All values of the recipe."""

    model: GeneratorConfig = field(
        default_factory=lambda: GeneratorConfig(guess_error=0.2, seamless_below=0.3)
    )
    adapter_width: int = 192
    batch: int = 32
    pictures: int = 24_000
    picture_seed: int = 0
    captions: CaptionShares = field(default_factory=CaptionShares)
    subject_weight: float = 2.0
    """How much more a latent cell counts where the subject is, at first: it covers a fifth of the
    picture and carries half of what the prompt asks for. Falls to 0 at `SUBJECT_FIRST`."""
    hard_places: tuple[str, ...] = ("desert", "mountain")
    """Places that are nothing but slopes and edges, learnt last; drawn `hard_times` as often."""
    hard_times: float = 2.5
    sigma_mean: float = 0.8
    """Centre of the noise levels' logits; above 0 the noisy half, where layout forms, gets more."""
    sigma_spread: float = 1.0
    detail: float = 0.25
    """Share of pictures whose noise level is even in `DETAIL_SIGMAS` instead: there the last steps
    of sampling decide what seams and fine lines look like."""
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
    recipe = GeneratorRecipe()
    if options.size is not None:
        recipe = replace(recipe, model=replace(recipe.model, size=options.size))
    if options.pictures is not None:
        recipe = replace(recipe, pictures=options.pictures)
    train_with(recipe, options)


def train_with(recipe: GeneratorRecipe, options: RunOptions) -> Run:
    """As `train`, with every value given; returns the finished run.

    Raises: CheckpointError: there is no CLIP pair in the weights folder yet.
    """
    clip, tokenizer = load_clip(options.weights)
    recipe = replace(recipe, clip=text_digest(options.weights))
    torch.manual_seed(options.seed)
    widths = recipe.model.context_width, recipe.model.pooled_width
    modules = {
        # one guess a step: what lies over the seams of two is for sampling
        "transformer": initialise(new_transformer(replace(recipe.model, seamless_below=0.0))),
        "adapter": EmotionAdapter(*widths, recipe.adapter_width),
    }
    if options.start is not None:
        start_from(modules, options.start)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for module in modules.values():
        module.to(device)
    data = picture_set(
        recipe.pictures, seed=recipe.picture_seed, size=recipe.model.size, split="train"
    )
    odds = place_odds(data.scenes, recipe.hard_places, recipe.hard_times)
    latents = encode_all(data)
    subjects = encode_subjects(data.scenes, latents.shape[-1])
    run = Run(
        "generator", options, config=recipe, modules=modules, optim=recipe.optim,
        default_minutes=recipe.minutes,
    )  # fmt: skip

    def loss(random: StepRandom) -> tuple[Tensor, Mapping[str, float | Tensor]]:
        batch = draw_batch(data.scenes, recipe.batch, recipe.captions, random.numpy, odds)
        with torch.no_grad():
            words = encode_ids(clip, token_ids(tokenizer, batch.captions))
        clean, subject = (store[batch.indices].float() for store in (latents, subjects))
        fading = max(0.0, 1 - run.progress / SUBJECT_FIRST)
        weight = 1 + fading * recipe.subject_weight * subject
        return flow_loss(modules, Example(clean, weight, words, batch), recipe, random)

    def told(_: Run) -> Mapping[str, float]:
        with on_cpu(modules):
            return report(run, modules, recipe.model)

    run.fit(loss, report=told, report_every=2000)
    if options.export:
        with run.averaged(), on_cpu(modules):
            export_weights(run, modules, recipe)
    return run


@contextlib.contextmanager
def on_cpu(modules: Mapping[str, Any]) -> Iterator[None]:
    """Inside, the modules lie beside the CLIP pair and the autoencoder that measure them."""
    device = _device_of(modules)
    for module in modules.values():
        module.cpu()
    try:
        yield
    finally:
        for module in modules.values():
            module.to(device)


def _device_of(modules: Mapping[str, Any]) -> torch.device:
    found: torch.device = next(modules["adapter"].parameters()).device
    return found


def start_from(modules: Mapping[str, Any], folder: Path) -> None:
    """Copy an earlier generator and its adapter; what is made for other patches starts anew."""
    earlier = load_generator(folder).transformer
    anew: tuple[str, ...] = ()
    if earlier.config.patch_size != modules["transformer"].config.patch_size:
        anew = ("pos_embed.", "proj_out.")
    state = modules["transformer"].state_dict()
    kept = {
        name: tensor
        for name, tensor in earlier.state_dict().items()
        if state[name].shape == tensor.shape and not name.startswith(anew)
    }
    modules["transformer"].load_state_dict(state | kept)
    modules["adapter"].load_state_dict(load_generator(folder).adapter.state_dict())


def initialise(transformer: Any) -> Any:
    """Start every block as the identity and the output at zero (adaLN-zero, arXiv 2212.09748).

    The table of positions becomes a parameter: the class's own one puts neighbours a quarter of a
    radian apart, and a network that cannot tell them apart draws a cat's eye in every token.
    """
    table = transformer.pos_embed.pos_embed
    del transformer.pos_embed.pos_embed
    transformer.pos_embed.pos_embed = nn.Parameter(position_table(*table.shape[1:]))
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


def position_table(tokens: int, width: int) -> Tensor:
    """Sines and cosines of row and column, wavelengths from 2 to 64 tokens: [1, tokens, width]."""
    side = math.isqrt(tokens)
    waves = math.pi * torch.logspace(0, -1, width // 4, base=32.0)
    angles = torch.arange(side)[:, None] * waves
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = line.repeat_interleave(side, dim=0), line.repeat(side, 1)
    return torch.cat([rows, columns], dim=1)[None]


@dataclass(frozen=True)
class Example:
    """A batch with everything that was computed for it."""

    clean: Tensor
    """[B, 16, h, w] latents."""
    weight: Tensor
    """[B, 1, h, w] how much each cell counts."""
    words: tuple[Tensor, Tensor]
    batch: Batch


def flow_loss(
    modules: Mapping[str, Any], example: Example, recipe: GeneratorRecipe, random: StepRandom
) -> tuple[Tensor, dict[str, float | Tensor]]:
    """Squared error of the velocity (noise - clean) at a random noise level."""
    device, batch = _device_of(modules), example.batch
    sigma = draw_sigmas(recipe, len(example.clean), random).to(device)
    noise = torch.randn(example.clean.shape, generator=random.torch).to(device)
    clean, level = example.clean.to(device), sigma[:, None, None, None]
    words = (each.to(device) for each in example.words)
    with half_precision(device.type):
        context, pooled = modules["adapter"](*words, batch.emotion.to(device), batch.fed.to(device))
        velocity = modules["transformer"](
            hidden_states=(1 - level) * clean + level * noise,
            encoder_hidden_states=context,
            pooled_projections=pooled,
            timestep=sigma * 1000,
            return_dict=False,
        )[0].float()
    error = (velocity - (noise - clean)).square().mean(dim=1, keepdim=True)
    counts = example.weight.to(device)
    weight = counts * (level / level.clamp(min=LOUDEST_SIGMA)).square()
    return (weight * error).sum() / counts.sum(), {"flow": error.detach().mean()}


def draw_sigmas(recipe: GeneratorRecipe, count: int, random: StepRandom) -> Tensor:
    """Noise levels [count]: mostly of the noisy half, a share of the last steps."""
    logits = torch.randn(count, generator=random.torch)
    sigma = torch.sigmoid(recipe.sigma_mean + recipe.sigma_spread * logits)
    lowest, highest = DETAIL_SIGMAS
    even = lowest + (highest - lowest) * torch.rand(count, generator=random.torch)
    return torch.where(torch.rand(count, generator=random.torch) < recipe.detail, even, sigma)


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
