"""Sampling the candidates of a round with ComfyUI's own sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.utils
import torch
from torch import Tensor

from ...emofeedback.errors import ConfigError
from ...emofeedback.records.emotion import Emotion
from ..widgets.names import LOAD_EMBEDDED
from .conditioning_batch import stack_conditionings
from .emotion_encoding import encode_emotion
from .text import encode_text

Progress = Callable[[int, int], Callable[..., None]]
"""(part, parts) -> the sampler's callback, for a round that is sampled in several batches."""

LATENT_CHANNELS = 4
DOWNSCALE = 8


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """Everything about sampling that stays the same in all rounds."""

    model: Any
    clip: Any
    vae: Any
    target: Emotion
    negative: str
    emotion_strength: float
    width: int
    height: int
    steps: int
    cfg: float
    sampler_name: str
    scheduler: str

    @classmethod
    def widget_names(cls) -> list[str]:
        """The node inputs that make the settings, the target apart."""
        return [field.name for field in fields(cls) if field.name != "target"]


def sample_candidates(
    settings: SamplerSettings,
    prompts: Sequence[str],
    seed: int,
    *,
    progress: Progress,
) -> tuple[Tensor, Tensor]:
    """One picture a prompt, [B, H, W, 3] in 0..1, and the latents that they were decoded from.

    They share the seed and differ by their place in the batch, so that a candidate looks the same
    whether the others have its prompt or not.
    """
    negative = encode_text(settings.clip, settings.negative)
    batches = _batches(settings, prompts)
    latents = []
    for part, (places, positive) in enumerate(batches):
        empty = _empty_latent(settings, len(places))
        sampled = comfy.sample.sample(
            settings.model,
            comfy.sample.prepare_noise(empty, seed, list(places)),
            settings.steps,
            settings.cfg,
            settings.sampler_name,
            settings.scheduler,
            positive,
            negative,
            empty,
            callback=progress(part, len(batches)),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed,
        )
        latents.append(sampled)
    all_of_them = torch.cat(latents)
    images: Tensor = settings.vae.decode(all_of_them)
    return images.reshape(-1, *images.shape[-3:]), all_of_them  # video VAEs add a frame axis


def _batches(
    settings: SamplerSettings, prompts: Sequence[str]
) -> list[tuple[Sequence[int], list[Any]]]:
    """Batch places with their conditioning: one batch where the prompts' lengths allow it."""
    distinct = {prompt: _encode(settings, prompt) for prompt in dict.fromkeys(prompts)}
    if len(distinct) == 1:
        return [(range(len(prompts)), distinct[prompts[0]])]
    each = [distinct[prompt] for prompt in prompts]
    if all(_stackable(entry, each[0]) for entry in each):
        return [(range(len(prompts)), stack_conditionings(each))]
    return [([index], entry) for index, entry in enumerate(each)]


def _encode(settings: SamplerSettings, prompt: str) -> list[Any]:
    return encode_emotion(settings.clip, prompt, settings.target, settings.emotion_strength)


def _stackable(one: list[Any], other: list[Any]) -> bool:
    """Single entries of the same shape that carry nothing but a pooled output."""
    return all(
        len(entry) == 1 and set(entry[0][1]) <= {"pooled_output"} for entry in (one, other)
    ) and (one[0][0].shape == other[0][0].shape)


def _empty_latent(settings: SamplerSettings, count: int) -> Tensor:
    """Zeros in the shape that the model's latents have."""
    if settings.vae is None:
        raise ConfigError(
            f"The vae input is empty: connect a VAE, for example from {LOAD_EMBEDDED}."
        )
    shape = (count, LATENT_CHANNELS, settings.height // DOWNSCALE, settings.width // DOWNSCALE)
    zeros = torch.zeros(shape, device=comfy.model_management.intermediate_device())
    empty: Tensor = comfy.sample.fix_empty_latent_channels(settings.model, zeros, DOWNSCALE)
    return empty
