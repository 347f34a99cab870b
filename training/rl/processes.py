"""The processes of a run: who does what, sums over all of them, and whether they agree."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from emofeedback.errors import EmoFeedbackError

from .engine import whole

EXTREMES = {"_max": torch.amax, "_abs": torch.amax, "_min": torch.amin}
"""Endings of the names of numbers that are extremes; all others are means."""


class Processes:
    """One process of a run among `count`.

    Args:
        accelerator: of accelerate, or its PartialState; None: this process alone.
    """

    def __init__(self, accelerator: Any = None) -> None:
        self.accelerator = accelerator
        self.rank: int = accelerator.process_index if accelerator else 0
        self.count: int = accelerator.num_processes if accelerator else 1

    @property
    def first(self) -> bool:
        """Whether this one keeps files and speaks."""
        return self.rank == 0

    def padded_share(self, total: int) -> list[int]:
        """This process's numbers of `total`; the last is repeated where shares would differ, so
        that all make the same calls. `gathered(...)[:total]` drops what was added."""
        size = -(-total // self.count)
        return [min(self.rank * size + i, total - 1) for i in range(size)]

    def weights(self, total: int) -> list[float]:
        """What each of `padded_share` counts: 0 for what was added, and for the others as much as
        makes the mean over shares and processes that over all of `total`."""
        size = -(-total // self.count)
        each = size * self.count / total
        return [each if self.rank * size + i < total else 0.0 for i in range(size)]

    def gathered(self, values: Tensor) -> Tensor:
        """Rows of all processes [B, ...] -> [count * B, ...], on the CPU; all have as many."""
        if self.count == 1:
            return values.cpu()
        from accelerate.utils import gather

        return torch.as_tensor(gather(values.to(self.accelerator.device)).cpu())

    def word_of_first(self, word: str) -> str:
        """The first process's word, in all of them."""
        if self.count == 1:
            return word
        from accelerate.utils import broadcast_object_list

        return str(broadcast_object_list([word])[0])

    def take_from_first(self, values: Iterable[Tensor]) -> None:
        """Give tensors the content that they have in the first process, in place."""
        if self.count == 1:
            return
        for value in values:
            torch.distributed.broadcast(value.detach(), 0)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return bool(self.gathered(torch.tensor([float(flag)])).any())

    def mean_numbers(self, numbers: Mapping[str, float], weight: float = 1.0) -> dict[str, float]:
        """Numbers of the same names over all processes: their means, without NaN; extremes stay
        extremes.

        Args:
            weight: of this process; with 0 its numbers do not count.
        """
        if self.count == 1:
            return dict(numbers)
        names = sorted(numbers)
        row = torch.tensor([[weight, *(numbers[name] for name in names)]], dtype=torch.float64)
        rows = self.gathered(row)
        weights, *columns = rows[rows[:, 0] > 0].T
        return {n: _over_all(n, c, weights) for n, c in zip(names, columns, strict=True)}

    def check_equal(self, values: Mapping[str, Tensor], moment: str) -> None:
        """Raises: EmoFeedbackError: the processes have different values; names the moment."""
        if self.count == 1:
            return
        digests = self.gathered(torch.tensor([digest(values)], dtype=torch.int64))
        if len(set(digests.tolist())) > 1:
            raise EmoFeedbackError(
                f"The {self.count} processes have different weights {moment}, so their gradients "
                "do not belong together. Are all on the same version, model and settings? Resume "
                "the run from its newest checkpoint with equal machines."
            )


def digest(values: Mapping[str, Tensor]) -> int:
    """A number of 63 bits that tells one set of named tensors from another; where they are shared
    out, all processes must call it."""
    found = hashlib.sha256()
    for name in sorted(values):
        found.update(name.encode())
        full = whole({name: values[name]})[name]  # one at a time: all may be more than fits
        found.update(full.detach().float().cpu().contiguous().numpy().tobytes())
    return int.from_bytes(found.digest()[:8], "big") >> 1


def _over_all(name: str, column: Tensor, weights: Tensor) -> float:
    for ending, extreme in EXTREMES.items():
        if name.endswith(ending):
            return float(extreme(column, 0))
    known = ~column.isnan()
    return float((column * weights)[known].sum() / weights[known].sum())
