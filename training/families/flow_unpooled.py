"""FLUX.2, Qwen-Image, Z-Image and SANA: flow matching that is conditioned by the context alone."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor

from .base import Words
from .facts import FAMILIES
from .packing import packed, unpacked
from .pipeline_family import PipelineFamily
from .words import unpadded


class Flux2Family(PipelineFamily):
    """FLUX.2: latents are squares of two cells, normalised by the autoencoder's batch norm."""

    facts = FAMILIES["flux2"]
    guidance = 4.0
    """Of guidance-distilled transformers; 4 as diffusers."""

    def _embedded(self, texts: list[str]) -> Words:
        context, _ = self.pipeline.encode_prompt(texts, device="cpu", **self._length)
        return self._without_pooled(context)

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        dtype, pipeline = self.transformer.dtype, self.pipeline
        guidance = None
        if self.transformer.config.get("guidance_embeds"):
            guidance = torch.full((len(latents),), self.guidance, device=latents.device)
        velocity = self.transformer(
            hidden_states=latents.flatten(2).transpose(1, 2).to(dtype),
            timestep=self._time(sigma),
            guidance=guidance,
            encoder_hidden_states=words[0].to(dtype),
            txt_ids=pipeline._prepare_text_ids(words[0]).to(latents.device),
            img_ids=pipeline._prepare_latent_ids(latents).to(latents.device),
            return_dict=False,
        )[0]
        result: Tensor = velocity.transpose(1, 2).reshape(latents.shape)
        return result

    def _latent_shape(self, cells: int) -> tuple[int, ...]:
        return (4 * self.vae.config.latent_channels, cells // 2, cells // 2)

    def _pixels(self, latents: Tensor) -> Tensor:
        norm = self.vae.bn
        spread = (norm.running_var + self.vae.config.batch_norm_eps).sqrt()
        whole = latents * spread[:, None, None] + norm.running_mean[:, None, None]
        cells = self.pipeline._unpatchify_latents(whole.to(self.vae.dtype))
        result: Tensor = self.vae.decode(cells, return_dict=False)[0]
        return result


class QwenImageFamily(PipelineFamily):
    """Qwen-Image: guidance keeps the length of the guided velocity in every token."""

    facts = FAMILIES["qwen-image"]

    def _embedded(self, texts: list[str]) -> Words:
        context, mask = self.pipeline.encode_prompt(texts, device="cpu", **self._length)
        if mask is None:
            mask = torch.ones(context.shape[:2], dtype=torch.bool)
        return self._without_pooled(context, mask.bool())

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        batch, _, height, width = latents.shape
        dtype, mask = self.transformer.dtype, words[2]
        velocity = self.transformer(
            hidden_states=packed(latents).to(dtype),
            timestep=self._time(sigma),
            encoder_hidden_states=words[0].to(dtype),
            encoder_hidden_states_mask=None if mask.all() else mask,
            img_shapes=[[(1, height // 2, width // 2)]] * batch,
            return_dict=False,
        )[0]
        return unpacked(velocity, height, width)

    def _latent_shape(self, cells: int) -> tuple[int, ...]:
        return (self.vae.config.z_dim, cells, cells)

    def _pixels(self, latents: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(values, device=latents.device, dtype=latents.dtype)[:, None, None]
            for values in (self.vae.config.latents_mean, self.vae.config.latents_std)
        )
        film = (latents * std + mean)[:, :, None]  # a film of one picture
        result: Tensor = self.vae.decode(film, return_dict=False)[0][:, :, 0]
        return result


class ZImageFamily(PipelineFamily):
    """Z-Image: its network gives clean - noise and is told how clean the latents are."""

    facts = FAMILIES["z-image"]

    def _embedded(self, texts: list[str]) -> Words:
        contexts, _ = self.pipeline.encode_prompt(
            texts, device="cpu", do_classifier_free_guidance=False, **self._length
        )
        context = torch.nn.utils.rnn.pad_sequence(contexts, batch_first=True)
        lengths = torch.tensor([len(each) for each in contexts])
        return self._without_pooled(context, torch.arange(context.shape[1]) < lengths[:, None])

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        dtype = self.transformer.dtype
        pictures = list(latents.to(dtype).unsqueeze(2))
        texts = [text.to(dtype) for text in unpadded(words)]
        clean_ward = self.transformer(pictures, self._time(sigma), texts, return_dict=False)[0]
        return -torch.stack([each.float() for each in clean_ward]).squeeze(2)

    def _own_cells(self) -> int:
        return 128  # 1024 pixels, as the pipeline's default

    def _widths(self) -> tuple[int, int]:
        return self.transformer.config.cap_feat_dim, 0


class SanaFamily(PipelineFamily):
    """SANA: an autoencoder of 32 pixels a cell; sampled by Euler on its solver's own levels."""

    facts = FAMILIES["sana"]
    packing = 1

    def _embedded(self, texts: list[str]) -> Words:
        # the empty prompt comes without the instruction to elaborate
        rows = [self._encoded(text) for text in texts]
        context, mask = (torch.cat(each) for each in zip(*rows, strict=True))
        return self._without_pooled(context, mask.bool())

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        dtype = self.transformer.dtype
        result: Tensor = self.transformer(
            latents.to(dtype),
            encoder_hidden_states=words[0].to(dtype),
            encoder_attention_mask=words[2].long(),
            timestep=self._time(sigma) * self.transformer.config.timestep_scale,
            return_dict=False,
        )[0]
        return result

    def _encoded(self, prompt: str) -> tuple[Tensor, Tensor]:
        asked = inspect.signature(self.pipeline.__call__).parameters["complex_human_instruction"]
        context, mask, _, _ = self.pipeline.encode_prompt(
            [prompt], device=torch.device("cpu"), do_classifier_free_guidance=False,
            complex_human_instruction=asked.default if prompt else None, **self._length,
        )  # fmt: skip
        return context, mask

    def _own_cells(self) -> int:
        return int(self.transformer.config.sample_size)

    def _widths(self) -> tuple[int, int]:
        return self.transformer.config.caption_channels, 0
