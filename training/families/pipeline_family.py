"""What all families share that come as a diffusers pipeline."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.errors import CheckpointError

from .base import Family, Words
from .encoders import TextEncoders
from .facts import Facts
from .packing import packed, unpacked
from .schedules import own_sigmas

TIMES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigma": lambda sigma: sigma,
    "sigma * 1000": lambda sigma: sigma * 1000,
    "1 - sigma": lambda sigma: 1 - sigma,
}
"""What `Facts.time` says of a noise level [B]; "timestep" looks its own table up."""


class PipelineFamily(Family):
    """A family whose conventions stand in `facts`.

    Args:
        pipeline: a loaded diffusers pipeline.
        encoders: of its texts, that it may have been loaded without.
        size: side of the pictures in pixels; 0: the transformer's own.
        dtype: of the frozen weights.
        device: of everything that runs.
        place: where the transformer waits to be shared out; None: on the device.
        text_tokens: that prompts are padded or cut to; 0: the pipeline's own.
    """

    facts: ClassVar[Facts]
    packing = 2
    """Latent cells that a token is wide."""

    def __init__(
        self, pipeline: Any, encoders: TextEncoders, *,
        size: int, dtype: torch.dtype, device: Any, place: Any = None, text_tokens: int = 0,
    ) -> None:  # fmt: skip
        self.pipeline, self._encoders = pipeline, encoders
        self._length = {"max_sequence_length": text_tokens} if text_tokens else {}
        self.name = self.facts.name
        self.lora_targets: Sequence[str] = self.facts.lora_targets
        self.losses: Sequence[str] = self.facts.losses
        self.lora_style = self.facts.lora_style
        self.transformer: Any = getattr(pipeline, self.network).to(place or device, dtype).eval()
        self.vae = pipeline.vae.to(device).eval().requires_grad_(False)
        self.device = torch.device(device)
        factor = pipeline.vae_scale_factor
        cells = size // factor if size else self._own_cells()
        if cells < self.packing or cells % self.packing or size % factor:
            raise CheckpointError(
                f"Pictures of {size} px are {size / factor:g} latent cells wide; model.size must "
                f"be a multiple of {self.packing * factor}."
            )
        self.latent_shape: tuple[int, ...] = self._latent_shape(cells)
        self.tokens = (cells // self.packing) ** 2
        self.adapter = EmotionAdapter(*self._widths()).to(device)

    def sigmas(self, num_steps: int) -> Tensor:
        """See `Family.sigmas`: as the pipeline asks its scheduler."""
        return own_sigmas(
            self.pipeline.scheduler, num_steps, tokens=self.tokens, rule=self.facts.shift,
            spaced=self.facts.spaced,
        )  # fmt: skip

    def guided(self, wanted: Tensor, plain: Tensor, guidance: float) -> Tensor:
        """See `Family.guided`; by `Facts.guidance`."""
        start = wanted if self.facts.guidance == "from wanted" else plain
        moved = start + guidance * (wanted - plain)
        return self._renormalised(moved, wanted) if self.facts.guidance == "renormalised" else moved

    def decode(self, latents: Tensor, *, quick: bool = False) -> Tensor:
        """See `Family.decode`; the autoencoder has the run's precision already."""
        del quick
        with torch.no_grad():
            pixels = self._pixels(latents.to(self.device, self.vae.dtype))
        result: Tensor = (pixels.float() / 2 + 0.5).clamp(0, 1).movedim(1, -1).cpu()
        return result

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Words:
        """See `Family.encode`; takes the text encoders up where they were let go."""
        self._encoders.take_up(self.pipeline)
        return self._embedded(list(prompts))

    def encoder(self) -> str:
        """See `Family.encoder`; reads all files of the text encoders once."""
        return self._encoders.fingerprint(self.name, json.dumps(self._length))

    def let_encoders_go(self) -> None:
        """See `Family.let_encoders_go`."""
        self._encoders.let_go(self.pipeline)

    @abstractmethod
    def _embedded(self, texts: list[str]) -> Words:
        """What the pipeline's encoders say."""

    def _time(self, sigma: Tensor) -> Tensor:
        """What the network is told of noise levels [B]."""
        return TIMES[self.facts.time](sigma)

    def _renormalised(self, moved: Tensor, wanted: Tensor) -> Tensor:
        """As long as `wanted` in every token."""
        height, width = wanted.shape[-2:]
        tokens, told = packed(moved), packed(wanted)
        lengths = told.norm(dim=-1, keepdim=True) / tokens.norm(dim=-1, keepdim=True)
        return unpacked(tokens * lengths, height, width)

    def _pixels(self, latents: Tensor) -> Tensor:
        """[B, 3, H, W] in -1..1."""
        config = self.vae.config
        scaled = latents / config.scaling_factor + (config.get("shift_factor") or 0)
        result: Tensor = self.vae.decode(scaled, return_dict=False)[0]
        return result

    def _own_cells(self) -> int:
        return int(self.pipeline.default_sample_size)

    def _latent_shape(self, cells: int) -> tuple[int, ...]:
        return (self.vae.config.latent_channels, cells, cells)

    def _widths(self) -> tuple[int, int]:
        """Of the context and of the pooled embedding."""
        config = self.transformer.config
        return config.joint_attention_dim, config.pooled_projection_dim if self.facts.pooled else 0

    def _without_pooled(self, context: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Words of a family that has no pooled embedding."""
        words = [context.float(), context.new_zeros(len(context), 0).float()]
        return tuple(each.to(self.device) for each in (*words, *([] if mask is None else [mask])))
