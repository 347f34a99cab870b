"""SD3.5 and FLUX through diffusers: a pipeline folder, or a single transformer file with one.

Text encoders stay on the CPU, since every prompt is encoded once; the transformer and the
autoencoder go to the device. Nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.errors import CheckpointError

from .base import Family, Words
from .embedded import LORA_TARGETS


class _PipelineFamily(Family):
    """What both families share.

    Args:
        pipeline: a loaded diffusers pipeline.
        size: side of the pictures in pixels; 0: the transformer's own.
        dtype: of the frozen weights.
        device: of transformer and autoencoder.
    """

    name = ""
    lora_targets: Sequence[str] = LORA_TARGETS

    def __init__(self, pipeline: Any, *, size: int, dtype: torch.dtype, device: Any) -> None:
        self.pipeline = pipeline
        self.transformer: Any = pipeline.transformer.to(device, dtype).eval()
        self.vae = pipeline.vae.to(device).eval().requires_grad_(False)
        self.device = torch.device(device)
        config = self.transformer.config
        cells = self._own_side(pipeline) if not size else size // pipeline.vae_scale_factor
        if cells < 2 or cells % 2:
            raise CheckpointError(
                f"Pictures of {size} px are {cells} latent cells wide; model.size must be a "
                f"multiple of {2 * pipeline.vae_scale_factor}."
            )
        self.latent_shape: tuple[int, ...] = (self.vae.config.latent_channels, cells, cells)
        self.adapter = EmotionAdapter(config.joint_attention_dim, config.pooled_projection_dim).to(
            device
        )
        self.shift = self._own_shift(pipeline)

    def decode(self, latents: Tensor, *, quick: bool = False) -> Tensor:
        """See `Family.decode`; the autoencoder has the run's precision already."""
        del quick
        with torch.no_grad():
            config = self.vae.config
            scaled = latents.to(self.vae.dtype) / config.scaling_factor + (config.shift_factor or 0)
            pixels = self.vae.decode(scaled, return_dict=False)[0]
        result: Tensor = (pixels.float() / 2 + 0.5).clamp(0, 1).movedim(1, -1).cpu()
        return result

    def _own_side(self, pipeline: Any) -> int:
        return int(pipeline.default_sample_size)

    def _own_shift(self, pipeline: Any) -> float:
        return float(pipeline.scheduler.config.get("shift", 3.0))


class SD35Family(_PipelineFamily):
    """Stable Diffusion 3 and 3.5."""

    name = "sd3.5"

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Words:
        """See `Family.encode`."""
        texts = list(prompts)
        context, _, pooled, _ = self.pipeline.encode_prompt(
            texts, texts, texts, device="cpu", do_classifier_free_guidance=False
        )
        return context.float().to(self.device), pooled.float().to(self.device)

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """See `Family.velocity`."""
        dtype = self.transformer.dtype
        result: Tensor = self.transformer(
            hidden_states=latents.to(dtype),
            encoder_hidden_states=words[0].to(dtype),
            pooled_projections=words[1].to(dtype),
            timestep=sigma * 1000,
            return_dict=False,
        )[0]
        return result


class FluxFamily(_PipelineFamily):
    """FLUX.1: latents are packed in squares of two cells only inside the transformer.

    Args:
        guidance: of guidance-distilled transformers; 3.5 as diffusers.
    """

    name = "flux"
    guidance = 3.5

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Words:
        """See `Family.encode`."""
        texts = list(prompts)
        length = min(512, self.pipeline.tokenizer_2.model_max_length)
        context, pooled, _ = self.pipeline.encode_prompt(
            texts, texts, device="cpu", max_sequence_length=length
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
            timestep=sigma,
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

    def _own_shift(self, pipeline: Any) -> float:
        """FLUX's schedule shifts more for larger pictures: from exp(0.5) to exp(1.15)."""
        config = pipeline.scheduler.config
        if not config.get("use_dynamic_shifting", False):
            return float(config.get("shift", 1.0))
        tokens = self.latent_shape[1] * self.latent_shape[2] // 4
        low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
        base, top = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
        slope = (top - base) / (high - low)
        return float(torch.tensor(base + slope * (tokens - low)).exp())


def load_folder(folder: Path, *, size: int, dtype: torch.dtype, device: Any) -> Any:
    """The family of a diffusers folder.

    Raises: CheckpointError: no such pipeline, damaged, or of another family.
    """
    pipeline_class, family, absent = _index(folder)
    try:
        pipeline = pipeline_class.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, **absent
        )
    except Exception as error:  # diffusers, transformers and safetensors each raise their own
        raise CheckpointError(
            f"The diffusers folder {folder} cannot be loaded ({type(error).__name__}: {error})."
        ) from error
    return family(pipeline, size=size, dtype=dtype, device=device)


def load_single(
    file: Path, components: Path, *, family: str, size: int, dtype: torch.dtype, device: Any
) -> Any:
    """The family of a single transformer file, everything else from a diffusers folder.

    Raises: CheckpointError: the folder is of another family, or the file does not fit its config.
    """
    import diffusers

    pipeline_class, made, absent = _index(components)
    if made.name != family:
        raise CheckpointError(
            f"{file} is a {family} transformer, but the components in {components} belong to "
            f"{made.name}. Give --components of the same family."
        )
    kind = (
        diffusers.SD3Transformer2DModel if family == "sd3.5" else diffusers.FluxTransformer2DModel
    )
    try:
        transformer = kind.from_single_file(
            str(file), config=str(components), subfolder="transformer",
            local_files_only=True, dtype=dtype,
        )  # fmt: skip
        pipeline = pipeline_class.from_pretrained(
            components, local_files_only=True, use_safetensors=True, dtype=dtype,
            **absent | {"transformer": transformer},
        )  # fmt: skip
    except Exception as error:  # as above
        raise CheckpointError(
            f"{file} cannot be loaded with the components in {components} "
            f"({type(error).__name__}: {error})."
        ) from error
    return made(pipeline, size=size, dtype=dtype, device=device)


def _index(folder: Path) -> tuple[Any, type[_PipelineFamily], dict[str, None]]:
    """Pipeline class, family, and the parts that the folder was saved without."""
    import diffusers

    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        name = index["_class_name"]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder} is no diffusers folder (model_index.json: {error})."
        ) from error
    # diffusers wants to be told again that a part is not there
    absent = {part: None for part, kind in index.items() if kind == [None, None]}
    if name == "StableDiffusion3Pipeline":
        return diffusers.StableDiffusion3Pipeline, SD35Family, absent
    if name == "FluxPipeline":
        return diffusers.FluxPipeline, FluxFamily, absent
    raise CheckpointError(
        f"{folder} holds a {name}; training knows StableDiffusion3Pipeline and FluxPipeline."
    )
