"""The one interface that rollout, losses and evaluation know of a model family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from emofeedback.control.adapter import EmotionAdapter
from emofeedback.errors import ConfigError

from .facts import ANY

Words = tuple[Tensor, ...]
"""Embedding of prompts: context [B, T, C], pooled [B, P] (P is 0 where the family has none) and,
where texts differ in length, a mask [B, T] of the tokens that count."""


class Family(Protocol):
    """A loaded model family; its transformer is private to the run and may be changed."""

    name: str
    """Written into checkpoints as base family."""
    transformer: Any
    adapter: EmotionAdapter
    """The adapter that the run starts from."""
    latent_shape: tuple[int, ...]
    """Of one picture."""
    lora_targets: Sequence[str]
    """Endings of the module names that get a LoRA."""
    losses: Sequence[str] = ANY
    """Kinds of loss that make sense for the family."""
    lora_style: str = "diffusers"
    """How its LoRA is named in files: see `lora_names`."""
    network: str = "transformer"
    """What a diffusers pipeline calls the transformer."""
    source: str = ""
    """Path that the transformer was loaded from; empty: none of the user's."""

    def sigmas(self, num_steps: int) -> Tensor:
        """Noise levels of the family's own schedule, first to last: [num_steps + 1]."""
        ...

    def first(self, noise: Tensor, sigma: Tensor) -> Tensor:
        """The latents [B, ...] that sampling begins with at its first noise level."""
        del sigma
        return noise

    def guided(self, wanted: Tensor, plain: Tensor, guidance: float) -> Tensor:
        """Velocity under classifier-free guidance of those with and without the prompt."""
        return plain + guidance * (wanted - plain)

    def encode(self, prompts: Sequence[str]) -> Words:
        """Embeddings of prompts, on the transformer's device."""
        ...

    def encoder(self) -> str:
        """Fingerprint of what encodes prompts; empty: so quick that files would not pay."""
        return ""

    def let_encoders_go(self) -> None:
        """Free the memory of what encodes prompts; `encode` takes it up again."""
        return

    def velocity(self, latents: Tensor, sigma: Tensor, words: Words) -> Tensor:
        """noise - clean as the transformer predicts it.

        Args:
            latents: [B, ...] float32. sigma: [B] in 0..1.
        """
        ...

    def decode(self, latents: Tensor, *, quick: bool = False) -> Tensor:
        """Pictures [B, H, W, 3] in 0..1, on the CPU.

        Args:
            quick: half precision and half the size will do, as for rewards of a rollout. Where
                the decoder can, the gradient of the pictures then comes back to the latents.
        """
        ...

    def encode_pictures(self, images: Tensor) -> Tensor:
        """Pictures [B, H, W, 3] in 0..1 -> latents [B, ...].

        Raises: ConfigError: the family has no encoder here.
        """
        del images
        raise ConfigError(
            f"Stage adapter cannot encode pictures for the family {self.name!r}; leave out "
            "--model to train the embedded generator's adapter."
        )
