"""The embedded generator's transformer: Stable Diffusion 3's, asked for the clean latents.

A network this narrow does not pass on the noise that a velocity contains, but it can say what the
clean picture is (arXiv 2511.13720). Outside it speaks velocity like every other model of its
family.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor

from .prediction import over_seams, velocity_of

LEVELS = 1000
"""Timesteps are noise levels times this number."""


@cache
def drawn_transformer_class() -> Any:
    """The class; made here because its base is diffusers', which not every user has."""
    from diffusers import SD3Transformer2DModel
    from diffusers.models.modeling_outputs import Transformer2DModelOutput

    class DrawnTransformer(SD3Transformer2DModel):
        """An SD3 transformer whose weights predict clean latents; its output is the velocity."""

        guess_error = 0.0
        """As for `prediction.velocity_of`."""
        seamless_below = 0.0
        """As for `prediction.over_seams`."""

        def forward(
            self,
            hidden_states: Tensor,
            encoder_hidden_states: Tensor,
            pooled_projections: Tensor,
            timestep: Tensor,
            return_dict: bool = True,
            **options: Any,
        ) -> Any:
            """Velocity (noise - clean) [B, 16, h, w]; arguments as in the base class."""
            predict, sigma = super().forward, timestep / LEVELS

            def guess(noisy: Tensor) -> Tensor:
                clean: Tensor = predict(
                    hidden_states=noisy,
                    encoder_hidden_states=encoder_hidden_states,
                    pooled_projections=pooled_projections,
                    timestep=timestep,
                    return_dict=False,
                    **options,
                )[0]
                return clean.to(hidden_states.dtype)

            clean = over_seams(guess, hidden_states, sigma, self.seamless_below)
            velocity = velocity_of(clean, hidden_states, sigma, self.guess_error)
            return Transformer2DModelOutput(sample=velocity) if return_dict else (velocity,)

    return DrawnTransformer
