"""The emotion adapter: from (valence, arousal) to a change of a prompt's embedding.

The adapter adds a residual to each context token, computed from that token and the emotion, and a
shift to the pooled embedding. The number of tokens never changes: attention counts tokens, so that
an appended token would change the picture even if it were zero. The last layers start at zero and
the change is multiplied by a strength, hence strength 0 is exactly the prompt alone, and every
strength near 0 is near it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SCALE_LIMIT = 3.0
FREQUENCIES = 4


class EmotionAdapter(nn.Module):
    """(V, A) -> a residual on the context tokens and a shift of the pooled embedding.

    Args:
        context_width: width C of the context tokens.
        pooled_width: width P of the pooled embedding; 0 where the generator has none.
        hidden: width of the inner layers.
    """

    def __init__(self, context_width: int, pooled_width: int, hidden: int = 192) -> None:
        super().__init__()
        self.context_width, self.pooled_width, self.hidden = context_width, pooled_width, hidden
        self.emotion = nn.Sequential(
            nn.Linear(2 * (1 + 2 * FREQUENCIES), hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
        )
        self.token_in = nn.Linear(context_width, hidden)
        self.token_norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.token_modulation = nn.Linear(hidden, 2 * hidden)
        self.token_out = nn.Linear(hidden, context_width)
        last = [self.token_out]
        if pooled_width:
            self.pooled_in = nn.Linear(pooled_width, hidden)
            self.pooled_out = nn.Linear(hidden, pooled_width)
            last.append(self.pooled_out)
        for layer in last:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def widths(self) -> dict[str, int]:
        """The arguments that rebuild this adapter."""
        return {
            "context_width": self.context_width,
            "pooled_width": self.pooled_width,
            "hidden": self.hidden,
        }

    def forward(
        self, context: Tensor, pooled: Tensor, emotion: Tensor, strength: float | Tensor = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Embedding of the prompt with the emotion worked in.

        Args:
            context: [B, T, C], any T.
            pooled: [B, P].
            emotion: [B, 2] valence and arousal in [-3, 3]; [1, 2] serves the whole batch.
            strength: 0 = off (the inputs come back as they are, bit for bit), 1 = as trained;
                a tensor [B] gives each its own.
        Returns: context [B, T, C] and pooled [B, P], in the dtypes of the inputs.
        """
        if isinstance(strength, int | float):
            if strength == 0:
                return context, pooled
            strength = torch.full((context.shape[0],), float(strength), device=context.device)
        dtype = self.token_in.weight.dtype
        felt = self.emotion(_waves(emotion.to(dtype))).expand(context.shape[0], -1)  # [B, H]
        token_change = self._token_change(context.to(dtype), felt)
        moved = _add(context, token_change, strength[:, None, None])
        if not self.pooled_width:
            return moved, pooled
        pooled_change = self.pooled_out(felt * torch.tanh(self.pooled_in(pooled.to(dtype))) + felt)
        return moved, _add(pooled, pooled_change, strength[:, None])

    def _token_change(self, context: Tensor, felt: Tensor) -> Tensor:
        scale, shift = self.token_modulation(felt)[:, None].chunk(2, dim=-1)  # [B, 1, H] each
        inner = self.token_norm(self.token_in(context)) * (1 + scale) + shift
        change: Tensor = self.token_out(nn.functional.silu(inner))
        return change


def _waves(emotion: Tensor) -> Tensor:
    """[B, 2] in [-3, 3] -> [B, 2 * (1 + 2 * FREQUENCIES)]: the values and slow waves of them."""
    unit = emotion / SCALE_LIMIT
    # at most two periods over the scale, so that the plane stays smooth between trained points
    speeds = math.pi * torch.arange(1, FREQUENCIES + 1, device=unit.device, dtype=unit.dtype) / 2
    angles = unit[:, :, None] * speeds  # [B, 2, F]
    return torch.cat([unit, angles.sin().flatten(1), angles.cos().flatten(1)], dim=1)


def _add(base: Tensor, change: Tensor, strength: Tensor) -> Tensor:
    moved = base + (strength * change).to(base.dtype)
    # adding zero would turn -0.0 into 0.0
    return torch.where(strength == 0, base, moved)
