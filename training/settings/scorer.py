"""What stage `scorer` can be told: a part of `config.TrainConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emofeedback.errors import ConfigError
from emofeedback.records.limits import check_choice

from .ranges import WEIGHT, check_number, check_ranges

REWARDS = ("agreement", "format", "category", "cues")
"""In the order in which TRL hears them; the last two are those of scorer.multi_task."""


@dataclass(frozen=True, kw_only=True)
class ScorerConfig:
    """Stage scorer: GRPO of a vision-language model through TRL."""

    path: str = ""
    """Folder of a transformers Qwen2.5-VL or Qwen3-VL; empty: the embedded one."""
    start: str = ""
    """Folder with other weights of the embedded model, as `RUN/scorer` of an earlier run, or as
    `python -m training.world train lvlm --export` writes them; empty: the shipped ones."""
    data: str = ""
    """JSON lines with image (a path), valence, arousal on [-3, 3] and, optionally, cues and
    category (else that of the plane's sector); empty: pictures of the drawn world."""
    pictures: int = 512
    """Drawn pictures to train on."""
    held_out: int = 256
    """Pictures to measure on, before and after: drawn ones of held-out (place, subject) pairs, or
    as many of scorer.data, at most a fifth of it, set aside."""
    form: str = "continuous"
    """Of the emotion reward: continuous, threshold, or expected (what an answer adds to the mean
    of its group, since readings are expected values)."""
    multi_task: bool = True
    """Also reward category and cues, and ask for the reasoned answer beside the rating."""
    reward_weights: Any = field(default_factory=dict)
    """Of agreement, format, category and cues by name, as {agreement: 1, format: 0.5}; 1 where
    nothing is said."""
    supervised_steps: int = 0
    """Steps on right answers before GRPO; 0: none."""
    supervised_rate: float = 1.0e-4
    num_generations: int = 8
    batch: int = 32
    """Completions in one update."""
    max_completion_length: int = 160
    learning_rate: float = 1.0e-5
    beta: float = 0.001
    """KL coefficient, as Q-Insight."""
    scale_rewards: str = "group"
    """What an advantage is divided by: the deviation of its group, of the batch, or nothing (none).
    """
    lora_rank: int = 16
    lora_vision: bool = False
    """Also adapt the attention of the vision tower."""
    four_bit: bool = False
    """QLoRA: the frozen weights in four bits (nf4, by bitsandbytes); what is written at the end is
    the LoRA merged into the weights of scorer.path as they are."""
    trl: Any = field(default_factory=dict)
    """Settings of TRL's GRPOConfig by name, as scorer.trl.num_iterations=2; those that this
    training has itself are refused."""

    def __post_init__(self) -> None:
        check_ranges("scorer", self)
        check_choice("scorer.form", self.form, ("continuous", "threshold", "expected"))
        if self.path and self.start:
            raise ConfigError(
                f"scorer.path is {self.path!r} and scorer.start {self.start!r}; start holds other "
                "weights of the embedded model. Give one of them."
            )
        self._check_weights()
        if self.four_bit and (not self.path or self.supervised_steps):
            raise ConfigError(
                f"scorer.four_bit is on, scorer.path {self.path!r} and scorer.supervised_steps "
                f"{self.supervised_steps}: four bits are for a model of your own (the embedded one "
                "is small), whose start cannot be merged into them. Set path, and 0 steps."
            )
        if not isinstance(self.trl, Mapping):
            raise ConfigError(
                f"scorer.trl is {self.trl!r}; write a table, as scorer.trl.num_iterations=2."
            )
        if self.four_bit and self.trl.get("use_vllm"):
            raise ConfigError(
                "scorer.four_bit is on, and a vLLM server (scorer.trl.use_vllm) takes whole "
                "weights only: leave out one of them."
            )
        check_choice("scorer.scale_rewards", self.scale_rewards, ("group", "batch", "none"))
        if self.batch % self.num_generations:
            raise ConfigError(
                f"scorer.batch is {self.batch}, no multiple of the {self.num_generations} "
                "generations of a prompt (scorer.num_generations)."
            )

    @property
    def rewards(self) -> dict[str, float]:
        """Names of the rewards of this run, in their order, with their weights."""
        names = REWARDS if self.multi_task else REWARDS[:2]
        return {name: float(self.reward_weights.get(name, 1.0)) for name in names}

    def _check_weights(self) -> None:
        if not isinstance(self.reward_weights, Mapping):
            raise ConfigError(
                f"scorer.reward_weights is {self.reward_weights!r}; write a table, as "
                "{agreement: 1, format: 0.5}."
            )
        for name, weight in self.reward_weights.items():
            check_choice("a name in scorer.reward_weights", name, REWARDS)
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise ConfigError(f"scorer.reward_weights.{name} is {weight!r}: set a number.")
            check_number(f"scorer.reward_weights.{name}", weight, WEIGHT)
            if name not in self.rewards:
                raise ConfigError(
                    f"scorer.reward_weights.{name} is {weight}, but scorer.multi_task is false, "
                    f"which rewards {', '.join(self.rewards)} alone. Leave one of them out."
                )
        if not any(self.rewards.values()):
            raise ConfigError(
                "scorer.reward_weights are all 0: nothing would be learned. Set one above 0."
            )
