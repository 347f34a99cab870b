"""The range of every numeric setting: one table, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from emofeedback.errors import ConfigError

MANY = 10**9


@dataclass(frozen=True)
class Range:
    """Which numbers a setting takes: low to high, both included unless `above`."""

    low: float
    high: float
    why: str
    """Completes "..., but"."""
    above: bool = False
    """The lower end itself is not taken."""

    def holds(self, value: float) -> bool:
        """Whether a number lies inside; NaN does not."""
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        if self.high >= MANY:
            return f"above {self.low:g}" if self.above else f"{self.low:g} or more"
        return f"{'above ' if self.above else ''}{self.low:g} to {self.high:g}"


def _count(why: str, low: int = 1, high: float = MANY) -> Range:
    return Range(low, high, why)


def _share(why: str, high: float = 1.0, *, above: bool = False) -> Range:
    return Range(0.0, high, why, above)


WEIGHT = Range(0, 1000, "a reward weighs nothing or more")
_RATE = Range(0, 1, "steps of this rate go nowhere or explode", above=True)
_NEVER = "a number of steps, 0 for never"
_GROUP = "a group needs peers to compare with"
_FORWARD = "a forward pass needs a picture"

RANGES: dict[str, Range] = {
    "seed": _count("random sources take 32 bits", 0, 2**32 - 1),
    "steps": _count("a run cannot go backwards", 0),
    "minutes": Range(0, 10**6, "it is a time, 0 for no limit"),
    "sheet_every": _count(_NEVER, 0),
    "checkpoint_every": _count("a run must be resumable"),
    "keep_checkpoints": _count("one checkpoint must stay"),
    "compare_every": _count(_NEVER, 0),
    "peak_tflops": Range(0, 10**6, "it is a speed, 0 for unknown"),
    "threads": _count("it is a number of threads, 0 for torch's choice", 0, 4096),
    "model.size": _count("pictures have 16 to 8192 pixels a side, 0 for the model's own", 0, 8192),
    "model.text_tokens": _count("it is a number of tokens, 0 for the pipeline's own", 0, 4096),
    "model.lora_rank": _count("a LoRA has at least one dimension", 1, 4096),
    "model.lora_alpha": _count("a LoRA of alpha 0 does nothing", 1, 65_536),
    "chain.start_steps": _count("a start cannot go backwards", 0),
    "chain.scorer_steps": _count("the scorer is to be trained"),
    "chain.num_prompts": _count("an evaluation needs a prompt"),
    "chain.levels": _count("a grid needs 2 or more along an axis", 2, 100),
    "chain.pictures": _count("a system paints a picture", 1, 10_000),
    "chain.candidates": _count("a round has a picture", 1, 10_000),
    "data.prompts_per_step": _count("a step needs a prompt"),
    "rollout.group_size": _count("a group has a picture"),
    "rollout.num_inference_steps": _count("one step draws noise", 2, 1000),
    "rollout.guidance_scale": Range(0, 100, "guidance pulls towards the prompt"),
    "rollout.eta": _share("it is a share of fresh noise", above=True),
    "rollout.window": _count("it is a number of steps, 0 for all but the last", 0, 1000),
    "rollout.window_share": _share("it is a share of the steps", above=True),
    "rollout.micro_batch": _count(_FORWARD),
    "reward.emotion": WEIGHT,
    "reward.content": WEIGHT,
    "reward.clip_score": WEIGHT,
    "reward.pick_score": WEIGHT,
    "reward.brightness": WEIGHT,
    "reward.quality": WEIGHT,
    "reward.emotion_threshold": _share("gaps lie in 0..6", 6.0, above=True),
    "reward.pick_scale": _share("scores are divided by it", 10_000.0, above=True),
    "reward.retries": _count("a question is asked once at least", 1, 1000),
    "reward.workers": _count("someone must ask", 1, 1024),
    "reward.patience_s": _share("a wait takes time", 86_400.0, above=True),
    "reward.timeout_s": _share("an answer takes time", 86_400.0, above=True),
    "loss.clip_range": _share("the ratio needs room", above=True),
    "loss.dppo_threshold": _share("a divergence is above 0", 1000.0, above=True),
    "loss.old_kl": _share("KL is a penalty", 1000.0),
    "loss.kl_coef": _share("KL is a penalty", 10**6),
    "loss.advantage_limit": _share("advantages are clipped to it", 1000.0, above=True),
    "loss.nft_beta": _share("implicit policies lie off the old one", 100.0, above=True),
    "loss.nft_sigmas": _count("a forward loss needs a noise level", 1, 1000),
    "loss.nft_least_sigma": Range(0, 0.99, "noise levels end at 1"),
    "loss.old_decay_rate": _share("it is what a decay grows by"),
    "loss.old_decay_max": _share("a decay of 1 never moves", 0.999_999),
    "loss.path_steps": _count("a sampler has no step before its first", 0, 1000),
    "loss.path_shift": _count("a shift is counted in pixels either way", 0, 1024),
    "loss.path_noise": _share("noise has a deviation"),
    "optim.learning_rate": _RATE,
    "optim.adapter_rate": _RATE,
    "optim.weight_decay": _share("decay shrinks weights"),
    "optim.clip_norm": _share("gradients are clipped to it", 10**6, above=True),
    "optim.updates": _count("a rollout is for learning"),
    "optim.micro_batch": _count(_FORWARD),
    "optim.ema_decay": _share("a decay of 1 never moves", 0.999_999),
    "watch.every": _count(_NEVER, 0),
    "watch.pictures": _count("a measurement needs a picture"),
    "watch.tolerance": _share("it is a rise of the gap, in 0..6", 6.0),
    "watch.table_prompts": _count("it is a number of prompts, 0 for no table", 0),
    "watch.table_steps": _count("one step draws noise", 2, 1000),
    "start.count": _count("density has a plane to lie on", 3, 10**6),
    "start.strength": _share("it is a share of the way", 10.0, above=True),
    "start.steps": _count("one step draws noise", 2, 1000),
    "start.replayed": _count("a loss compares something"),
    "scorer.pictures": _count("training needs a picture"),
    "scorer.held_out": _count("it is a number of pictures, 0 for none", 0),
    "scorer.supervised_steps": _count("it is a number of steps, 0 for none", 0),
    "scorer.supervised_rate": _RATE,
    "scorer.num_generations": _count(_GROUP, 2),
    "scorer.batch": _count("an update needs answers"),
    "scorer.max_completion_length": _count("an answer has a token", 1, 10**6),
    "scorer.learning_rate": _RATE,
    "scorer.beta": _share("KL is a penalty", 1000.0),
    "scorer.lora_rank": _count("a LoRA has at least one dimension", 1, 4096),
}
"""By dotted name; a test holds that no numeric setting is missing."""


def check_ranges(part: str, settings: Any) -> None:
    """Check the numbers of a dataclass of settings.

    Args:
        part: what its names begin with, as "rollout"; "" for the tree itself.
    Raises: ConfigError: the first number that is out of range; names it, its value and its range.
    """
    for each in dataclasses.fields(settings):
        name = f"{part}.{each.name}" if part else each.name
        value = getattr(settings, each.name)
        if name in RANGES:
            check_number(name, value, RANGES[name])


def check_number(name: str, value: float, allowed: Range) -> None:
    """Raises: ConfigError: the number is out of its range; names it, its value and its range."""
    if allowed.holds(value):
        return
    told = f"{name} is {value}, but {allowed.why}: set"
    if allowed.above or math.isnan(value) or value > allowed.high:
        raise ConfigError(f"{told} a number {allowed}.")
    raise ConfigError(f"{told} {allowed}.")
