"""SDXL: a network that predicts noise, seen as flow matching by a change of variables.

Its latents x = a clean + b noise (a^2 + b^2 = 1) divided by a + b are (1 - sigma) clean + sigma
noise with sigma = b / (a + b). In these variables DDIM's step is Euler's, and its noise is that of
`formulas.dynamics.ddim_step`; so rollout and losses need to know nothing of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from emofeedback.errors import CheckpointError, ConfigError

from .base import Words
from .encoders import TextEncoders
from .facts import FAMILIES
from .pipeline_family import PipelineFamily


class SDXLFamily(PipelineFamily):
    """Stable Diffusion XL and what is finetuned from it."""

    facts = FAMILIES["sdxl"]
    network = "unet"
    packing = 1

    def __init__(
        self, pipeline: Any, encoders: TextEncoders, *,
        size: int, dtype: torch.dtype, device: Any, place: Any = None, text_tokens: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(pipeline, encoders, size=size, dtype=dtype, device=device, place=place)
        if text_tokens:
            raise ConfigError(
                f"model.text_tokens is {text_tokens}, but SDXL's encoders take 77 tokens, no more "
                "and no less. Set model.text_tokens=0."
            )
        from diffusers import DDIMScheduler

        scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
        if scheduler.config.prediction_type != "epsilon":
            raise CheckpointError(
                f"This SDXL model predicts {scheduler.config.prediction_type!r}; training knows "
                "those that predict noise (epsilon)."
            )
        self.ddim = scheduler
        self.levels = _sigma_of(scheduler.alphas_cumprod).to(device)
        """[1000] noise level of each timestep."""

    def sigmas(self, num_steps: int) -> Tensor:
        """See `Family.sigmas`: DDIM's timesteps by the scheduler's config, as noise levels."""
        self.ddim.set_timesteps(num_steps)
        kept = [self.ddim.alphas_cumprod[step] for step in self.ddim.timesteps.tolist()]
        return _sigma_of(torch.stack([*kept, self.ddim.final_alpha_cumprod])).float()

    def first(self, noise: Tensor, sigma: Tensor) -> Tensor:
        """See `Family.first`: DDIM begins with unit noise, though its first level is below 1."""
        return noise * _unscaled(sigma)

    def _embedded(self, texts: list[str]) -> Words:
        # the empty prompt is zeros where the pipeline asks for that
        context, _, pooled, _ = self.pipeline.encode_prompt(
            texts, device="cpu", do_classifier_free_guidance=False
        )
        if self.pipeline.config.get("force_zeros_for_empty_prompt", True):
            said = torch.tensor([bool(text) for text in texts], dtype=context.dtype)
            context, pooled = context * said[:, None, None], pooled * said[:, None]
        return context.float().to(self.device), pooled.float().to(self.device)

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        dtype = self.transformer.dtype
        level = sigma.float()[:, None, None, None]
        side = self.latent_shape[-1] * self.pipeline.vae_scale_factor
        sizes = torch.tensor([[side, side, 0, 0, side, side]], device=latents.device, dtype=dtype)
        noise: Tensor = self.transformer(
            (latents / _unscaled(level)).to(dtype),
            (self.levels[None] - sigma[:, None]).abs().argmin(1),
            encoder_hidden_states=words[0].to(dtype),
            added_cond_kwargs={
                "text_embeds": words[1].to(dtype),
                "time_ids": sizes.expand(len(latents), -1),
            },
            return_dict=False,
        )[0].float()
        clean: Tensor = (latents - level * noise) / (1 - level)
        return noise - clean

    def _pixels(self, latents: Tensor) -> Tensor:
        # DDIM ends at the first timestep's level, which the autoencoder is handed as it is
        last = _sigma_of(self.ddim.final_alpha_cumprod)
        return super()._pixels(latents / float(_unscaled(last)))

    def _own_cells(self) -> int:
        return int(self.transformer.config.sample_size)

    def _widths(self) -> tuple[int, int]:
        config = self.transformer.config
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        return config.cross_attention_dim, pooled


def _sigma_of(alphas_cumprod: Tensor) -> Tensor:
    """Share of noise in latents whose signal has the squared size `alphas_cumprod`."""
    signal, noise = alphas_cumprod.double().sqrt(), (1 - alphas_cumprod.double()).sqrt()
    return (noise / (signal + noise)).float()


def _unscaled(sigma: Tensor) -> Tensor:
    """What latents at a level are divided by to have the network's unit variance."""
    result: Tensor = ((1 - sigma).square() + sigma.square()).sqrt()
    return result
