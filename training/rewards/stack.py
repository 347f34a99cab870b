"""Rewards of pictures: parts with weights, a cache by picture, and no silent number.

A part that fails is tried again and then stops the run with its reason. A part that answers NaN
gives that picture no reward: it leaves its group, and is counted.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from emofeedback.errors import EmoFeedbackError, ScorerAnswerError, ScorerError
from emofeedback.records.emotion import LIMIT

from ..data.prompts import Task
from ..formulas.advantages import Advantages
from ..settings.reward import RewardConfig

log = logging.getLogger(__name__)
CACHE_SIZE = 4096
EmotionReader = Callable[[Tensor], Tensor]
"""Pictures [B, H, W, 3] in 0..1 -> readings [B, 2] on [-3, 3], or how likely each of N ratings
spread evenly over it is: [B, 2, N]."""
PairScore = Callable[[Tensor, Sequence[str]], Tensor]
"""Pictures and their prompts -> one score each [B]."""


@dataclass(frozen=True)
class Rewards:
    """Rewards of a batch."""

    total: Tensor
    """[B] weighted sum; NaN where a part has none."""
    parts: dict[str, Tensor]
    """Each part [B], before weights."""


def emotion_reward(readings: Tensor, targets: Tensor, *, form: str, threshold: float) -> Tensor:
    """Agreement of readings with targets [B, 2] on [-3, 3]: [B] in 0..1.

    Args:
        readings: [B, 2] on [-3, 3]; for "distribution" probabilities [B, 2, N].
        form: "continuous": 1 minus the mean absolute gap over the scale's length; "threshold":
            share of the two axes whose gap is below the threshold (the paper's form);
            "distribution": as continuous, with the expected gap of each axis.
    """
    if form == "distribution":
        levels = torch.linspace(-LIMIT, LIMIT, readings.shape[-1], device=readings.device)
        gaps = (readings * (levels - targets.unsqueeze(-1)).abs()).sum(-1)
    else:
        gaps = (readings - targets).abs()
    if form == "threshold":
        hits = (gaps < threshold).float()
        return torch.where(gaps.isnan().any(1), torch.nan, hits.mean(1))
    return 1 - gaps.mean(1) / (2 * LIMIT)


def reward_log(
    rewards: Rewards, totals: Tensor, advantages: Advantages | None = None
) -> dict[str, float]:
    """Numbers of a step's rewards.

    Args:
        rewards: of this process. totals: [B] of all processes.
        advantages: None where groups are not compared.
    """
    numbers = {
        "reward/mean": float(totals.nanmean()),
        "reward/std": float(totals[~totals.isnan()].std(unbiased=False)),
        "reward/nan_ratio": float(totals.isnan().float().mean()),
    }
    if advantages is not None:
        numbers["reward/zero_std_ratio"] = advantages.zero_std_ratio
    return numbers | {f"reward/{name}": float(v.nanmean()) for name, v in rewards.parts.items()}


class ReadingCache:
    """Readings by picture: the same pixels are read once."""

    def __init__(self, reader: EmotionReader, size: int = CACHE_SIZE) -> None:
        self.reader, self.size = reader, size
        self.hits = 0
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()

    def __call__(self, images: Tensor) -> Tensor:
        keys = [picture_key(image) for image in images]
        new = [i for i, key in enumerate(keys) if key not in self._kept]
        self.hits += len(images) - len(new)
        fresh = self.reader(images[new]) if new else torch.empty(0, 2)
        found = {keys[i]: row for i, row in zip(new, fresh, strict=True)}
        rows = torch.stack([found[key] if key in found else self._kept[key] for key in keys])
        self._kept.update({key: row for key, row in found.items() if not row.isnan().any()})
        while len(self._kept) > self.size:
            self._kept.popitem(last=False)
        return rows


def picture_key(image: Tensor) -> bytes:
    """Digest of a picture's 8-bit pixels."""
    pixels = (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return hashlib.sha256(pixels.tobytes()).digest()


class RewardStack:
    """All parts of the reward; pictures go in with `submit` while others are still being made.

    Args:
        config: weights, forms, retries.
        reader: who reads emotions; None without an emotion reward.
        pair_scores: the parts that compare picture and prompt, by name of their weight.
        weights: of parts that the config has no weight for.
        overlap: run in threads beside the rollout (for servers).
        question: name of what a server is asked.
        cache: keep readings by picture; not where their gradient is wanted.
    """

    def __init__(
        self,
        config: RewardConfig,
        reader: EmotionReader | None,
        pair_scores: Mapping[str, PairScore],
        *,
        weights: Mapping[str, float] = MappingProxyType({}),
        overlap: bool = False,
        cache: bool = True,
        question: str = "",
    ) -> None:
        self.config, self.pair_scores, self.question = config, dict(pair_scores), question
        own = {
            name: getattr(config, name) for name in ("emotion", *pair_scores) if name not in weights
        }
        self.weights = own | dict(weights)
        self.reader = ReadingCache(reader) if reader is not None and cache else reader
        self._pool = ThreadPoolExecutor(max_workers=config.workers) if overlap else None

    def changed_since(self, question: str | None) -> str:
        """What a run must say that goes on after its server was asked another question, or ""."""
        if not self.question or question == self.question:
            return ""
        return (
            "The reward's server was asked in other words before; from here on it is asked what "
            f"the nodes ask ({self.question}), so rewards may make a step."
        )

    def submit(self, images: Tensor, tasks: Sequence[Task]) -> Future[dict[str, Tensor]]:
        """Start scoring pictures [B, H, W, 3]; one task each."""
        if self._pool is not None:
            return self._pool.submit(self._score, images, tasks)
        done: Future[dict[str, Tensor]] = Future()
        done.set_result(self._score(images, tasks))
        return done

    def collect(
        self,
        futures: Sequence[Future[dict[str, Tensor]]],
        gathered: Callable[[Tensor], Tensor] = torch.clone,
        *,
        plain: bool = False,
    ) -> Rewards:
        """Wait for the parts of a step and add them up.

        Args:
            plain: as the parts are, whatever `reward.normalise` says: what is compared over time
                must not be divided by a deviation of its own.
            gathered: makes of a part [B] that of all processes, whose deviation is the batch's.
        Raises: ScorerError: a part failed after its retries.
        """
        done = [future.result() for future in futures]
        parts = {name: torch.cat([each[name] for each in done]) for name in done[0]}
        total = torch.zeros(len(next(iter(parts.values()))))
        for name, values in parts.items():
            scaled = values
            if self.config.normalise == "group" and not plain:
                whole = gathered(values)
                scaled = values / (whole[~whole.isnan()].std(unbiased=False) + 1e-4)
            total = total + self.weights[name] * scaled
        return Rewards(total, parts)

    def close(self) -> None:
        """Let go of the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _score(self, images: Tensor, tasks: Sequence[Task]) -> dict[str, Tensor]:
        config, parts = self.config, {}
        if self.reader is not None:
            targets = torch.tensor([task.target for task in tasks])
            readings = self._tried("emotion", lambda: self.reader(images))  # type: ignore[misc]
            parts["emotion"] = emotion_reward(
                readings, targets, form=config.emotion_form, threshold=config.emotion_threshold
            )
        prompts = [task.prompt for task in tasks]
        for name, score in self.pair_scores.items():
            parts[name] = self._tried(name, functools.partial(score, images, prompts)).float()
        for name, values in parts.items():
            if values.shape != (len(images),):
                raise ScorerError(
                    f"The reward '{name}' gave {tuple(values.shape)} numbers for {len(images)} "
                    "pictures; it must give one each."
                )
            if values.isinf().any():
                raise ScorerError(f"The reward '{name}' is infinite: training cannot use it.")
        return parts

    def _tried(self, name: str, score: Callable[[], Any]) -> Tensor:
        """What a part says, on the CPU; a function of the user's may fail in any way.

        Raises: ScorerError: it failed `reward.retries` times, or a server stayed away, which has
            been waited for already.
        """
        for attempt in range(1, self.config.retries + 1):
            try:
                return torch.as_tensor(score()).cpu()
            except Exception as error:  # noqa: BLE001 - it is told, and ends the run
                reason = error
            plain = isinstance(reason, EmoFeedbackError | OSError | RuntimeError | ValueError)
            told = str(reason) if plain else repr(reason)
            log.warning("reward '%s' failed (try %d): %s", name, attempt, told)
            if isinstance(reason, ScorerError) and not isinstance(reason, ScorerAnswerError):
                break
            if attempt < self.config.retries:
                time.sleep(0.1 * 2**attempt)
        times = "once" if attempt == 1 else f"{attempt} times"
        raise ScorerError(
            f"The reward '{name}' failed {times}: {told} Training has stopped, since a made-up "
            "number would teach nonsense; go on with --resume."
        ) from reason
