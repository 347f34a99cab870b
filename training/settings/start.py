"""What stage `adapter` can be told: a part of `config.TrainConfig`."""

from __future__ import annotations

from dataclasses import dataclass

from emofeedback.errors import ConfigError
from emofeedback.records.limits import check_choice

from .ranges import check_ranges


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """What stage `adapter` learns from."""

    loss: str = "pictures"
    """pictures: drawn ones with known emotions (embedded only). From pairs of prompts, for every
    family: features (EmotiCrafter's residual of embeddings) or velocity (the same picture)."""
    pairs: str = "phrases"
    """Table or datasets folder with columns neutral, emotional, valence, arousal; phrases: our own
    affect phrases."""
    count: int = 512
    """Of our own pairs."""
    strength: float = 1.5
    """features: how much of the way to the emotional prompt is gone; 1.5 as EmotiCrafter."""
    steps: int = 10
    """velocity: sampler steps of the way on which latents are met ..."""
    replayed: int = 3
    """... and at how many of them the velocities are compared."""

    def __post_init__(self) -> None:
        check_ranges("start", self)
        check_choice("start.loss", self.loss, ("pictures", "features", "velocity"))
        if self.replayed > self.steps:
            raise ConfigError(
                f"start.replayed is {self.replayed}, more than the {self.steps} of start.steps."
            )
