"""When a loop stops, how much it tries, and what it moves."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from .limits import check_choice

SEED_POLICIES = ("per round", "fixed")
STEERS = WORDS, AIM, BOTH = ("words", "aim", "both")
"""What a loop moves to close the gap: the prompt, the emotion handed to the body, or both."""
MAX_ROUNDS = 100
MAX_CANDIDATES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPolicy:
    """When to stop, and how much to try.

    Args:
        rounds: at most this many generate-score-refine passes.
        candidates: pictures a round.
        tolerance: stop when the best gap size is at most this; 0 never stops early.
        patience: stop after this many rounds in a row without a better picture; 0 is off.
        time_budget_s: start no further round after this many seconds; 0 is off.
        seed_policy: "per round" adds the round to the seed; "fixed" changes only the words.
        content_floor: 0..1; a candidate whose known content is lower cannot be best; 0 is off.
        steer: one of `STEERS`.
        stop_unpromising: stop where no better picture can be expected of another round.
    Raises: ConfigError: a value is out of range.
    """

    rounds: int = 3
    candidates: int = 4
    tolerance: float = 0.3
    patience: int = 0
    time_budget_s: float = 0.0
    seed_policy: str = "per round"
    content_floor: float = 0.0
    steer: str = WORDS
    stop_unpromising: bool = False

    def __post_init__(self) -> None:
        for name, most in (("rounds", MAX_ROUNDS), ("candidates", MAX_CANDIDATES)):
            if not 1 <= getattr(self, name) <= most:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; set it from 1 to {most}. "
                    "A loop without rounds or candidates makes no picture."
                )
        for name in ("tolerance", "patience", "time_budget_s"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; set it to 0 (off) or more.")
        if not 0 <= self.content_floor <= 1:
            raise ConfigError(f"content_floor is {self.content_floor}; set it from 0 (off) to 1.")
        check_choice("seed_policy", self.seed_policy, SEED_POLICIES)
        check_choice("steer", self.steer, STEERS)


POLICIES: dict[str, LoopPolicy] = {
    "default": LoopPolicy(),
    # EmoFeedback^2 (arXiv 2511.19982): three iterations of eight images, no early stop.
    "paper": LoopPolicy(rounds=3, candidates=8, tolerance=0.0),
}
