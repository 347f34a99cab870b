"""What stage `chain` can be told: a part of `config.TrainConfig`."""

from __future__ import annotations

from dataclasses import dataclass

from .ranges import check_ranges


@dataclass(frozen=True, kw_only=True)
class ChainConfig:
    """Stage chain: scorer, generator with that scorer as reward, evaluation; drawn world only."""

    start_steps: int = 1350
    """Supervised steps of the scorer from nothing, by its own recipe; 0: scorer.start, or the
    shipped scorer, which has little left to learn."""
    scorer_steps: int = 300
    """Steps of the scorer's GRPO; `steps` are those of the generator."""
    num_prompts: int = 4
    """Held-out prompts of the evaluation ..."""
    levels: int = 5
    """... each at this many targets along an axis."""
    pictures: int = 12
    """That best-of-N and the loops may paint for one task ..."""
    candidates: int = 4
    """... this many a round."""

    def __post_init__(self) -> None:
        check_ranges("chain", self)
