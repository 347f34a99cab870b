"""SD3.5 and FLUX.1: flow matching with a pooled embedding beside the context."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Words
from .facts import FAMILIES
from .pipeline_family import PipelineFamily


class SD35Family(PipelineFamily):
    """Stable Diffusion 3 and 3.5."""

    facts = FAMILIES["sd3.5"]

    def _embedded(self, texts: list[str]) -> Words:
        context, _, pooled, _ = self.pipeline.encode_prompt(
            texts, texts, texts, device="cpu", do_classifier_free_guidance=False, **self._length
        )
        return context.float().to(self.device), pooled.float().to(self.device)

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        dtype = self.transformer.dtype
        result: Tensor = self.transformer(
            hidden_states=latents.to(dtype),
            encoder_hidden_states=words[0].to(dtype),
            pooled_projections=words[1].to(dtype),
            timestep=self._time(sigma),
            return_dict=False,
        )[0]
        return result


class FluxFamily(PipelineFamily):
    """FLUX.1: latents are packed in squares of two cells only inside the transformer."""

    facts = FAMILIES["flux"]
    guidance = 3.5
    """Of guidance-distilled transformers; 3.5 as diffusers."""

    def _embedded(self, texts: list[str]) -> Words:
        length = min(512, self.pipeline.tokenizer_2.model_max_length)
        context, pooled, _ = self.pipeline.encode_prompt(
            texts, texts, device="cpu", **{"max_sequence_length": length} | self._length
        )
        return context.float().to(self.device), pooled.float().to(self.device)

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        from diffusers import FluxPipeline

        batch, channels, height, width = latents.shape
        dtype, device = self.transformer.dtype, latents.device
        packed = FluxPipeline._pack_latents(latents.to(dtype), batch, channels, height, width)
        places = FluxPipeline._prepare_latent_image_ids(
            batch, height // 2, width // 2, device, dtype
        )
        guidance = None
        if self.transformer.config.guidance_embeds:
            guidance = torch.full((batch,), self.guidance, device=device)
        velocity = self.transformer(
            hidden_states=packed,
            timestep=self._time(sigma),
            guidance=guidance,
            pooled_projections=words[1].to(dtype),
            encoder_hidden_states=words[0].to(dtype),
            txt_ids=torch.zeros(words[0].shape[1], 3, device=device, dtype=dtype),
            img_ids=places,
            return_dict=False,
        )[0]
        # factor 1: sizes are given in latent cells here
        result: Tensor = FluxPipeline._unpack_latents(velocity, height, width, 1)
        return result
