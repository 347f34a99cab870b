"""Several processes as one: which this is, its part of a step, and what all of them hold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Processes:
    """The processes of a run.

    Args:
        accelerator: of accelerate; None: this process alone.
    """

    def __init__(self, accelerator: Any = None) -> None:
        self.accelerator = accelerator
        self.rank = accelerator.process_index if accelerator else 0
        self.count = accelerator.num_processes if accelerator else 1

    def mine(self, values: Tensor) -> Tensor:
        """This process's part of a value for each picture of the step."""
        return values.chunk(self.count)[self.rank]

    def gathered(self, values: Tensor) -> Tensor:
        """The values of all processes, in their order."""
        if self.count == 1:
            return values
        return torch.as_tensor(self.accelerator.gather(values.to(self.accelerator.device)).cpu())

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the processes, of the same shape."""
        if self.count == 1:
            return values
        return torch.as_tensor(self.accelerator.reduce(values, reduction="mean"))

    def any(self, flag: bool) -> bool:
        """Whether one of them says so: they must leave in the same step."""
        if self.count == 1:
            return flag
        flags = torch.tensor(float(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flags, reduction="sum") > 0)
