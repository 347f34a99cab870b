"""The engine of a run: accelerate spreads one module over the processes, as its config file says.

DDP keeps a copy in every process; FSDP2 shares weights out as DTensors and gathers those of a block
while it runs; DeepSpeed does so by an optimiser of its own. What is saved is whole in each case, so
a run can go on with another engine or another number of processes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from emofeedback.errors import ConfigError

Item = TypeVar("Item")
REFUSED = {
    "ACCELERATE_MIXED_PRECISION": ("no", "mixed_precision: 'no', and model.dtype=bfloat16 of ours"),
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": ("1", "1, and optim.micro_batch of ours"),
    "ACCELERATE_DYNAMO_BACKEND": ("no", "dynamo_backend: 'NO'"),
    "ACCELERATE_USE_MEGATRON_LM": ("false", "FSDP2"),
    "ACCELERATE_USE_PARALLELISM_CONFIG": ("false", "FSDP2"),
    "FSDP_ACTIVATION_CHECKPOINTING": ("false", "false, and model.gradient_checkpointing=true"),
}
"""Settings of accelerate that would change the method unsaid: what they must be, and the way."""


class Network(nn.Module):
    """Transformer and emotion adapter as one module, since FSDP2 and DeepSpeed take one.

    Args:
        predict: what a call computes; called with the arguments of the call.
        frozen: the transformer as it was, where it is trained as a whole: shared out alike.
    """

    def __init__(
        self,
        transformer: nn.Module,
        adapter: nn.Module,
        predict: Callable[..., Tensor],
        frozen: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.transformer, self.adapter, self._predict = transformer, adapter, predict
        self.frozen = frozen
        lists = [each for each in transformer.children() if isinstance(each, nn.ModuleList)]
        # by this name accelerate asks for the classes of blocks that are gathered one by one
        self._no_split_modules = sorted({type(block).__name__ for row in lists for block in row})

    def forward(self, *arguments: Any) -> Tensor:
        """What `predict` makes of the arguments."""
        return self._predict(*arguments)


class Engine:
    """Trains one network over the processes of a run.

    Args:
        network: holds everything that is trained.
        optimizer: of its trained parameters; None: nothing is trained.
        accelerator: from `new_accelerator`; None: this process alone.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer | None = None,
        accelerator: Any = None,
    ) -> None:
        self.accelerator, self._last = accelerator, True
        kind = "" if accelerator is None else accelerator.distributed_type.value
        self._deepspeed = kind == "DEEPSPEED"
        self._groups = optimizer.state_dict()["param_groups"] if optimizer is not None else []
        self.network: Any = network
        self.optimizer: Any = optimizer
        if accelerator is not None:
            self.network, self.optimizer = accelerator.prepare(network, optimizer)

    def passes(self, items: Sequence[Item]) -> Iterator[Item]:
        """The micro-batches of one gradient; the processes add theirs up in the last alone."""
        for number, item in enumerate(items):
            self._last = number + 1 == len(items)
            with nullcontext() if self._last else self._quiet():
                yield item

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of the mean of this over the processes."""
        if self.accelerator is None:
            loss.backward()
            return
        self.accelerator.sync_gradients = self._last
        self.accelerator.backward(loss)

    def step(self, clip_norm: float) -> dict[str, float]:
        """One step on the mean gradient of all processes; skipped where it is not finite."""
        if self._deepspeed:  # which has clipped and stepped in the last backward pass
            whole_norm = float(self.accelerator.clip_grad_norm_([], clip_norm))
            return {
                "grad_norm": whole_norm, "update_skipped": float(not math.isfinite(whole_norm)),
            }  # fmt: skip
        groups = self.optimizer.param_groups
        parameters = [p for group in groups for p in group["params"] if p.grad is not None]
        norm = nn.utils.clip_grad_norm_(parameters, clip_norm)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        if bool(norm.isfinite()):
            self.optimizer.step()
        return {"grad_norm": float(norm), "update_skipped": float(not norm.isfinite())}

    def optimizer_state(self, *, kept: bool = True) -> dict[str, Any]:
        """`state_dict()` of the optimiser, whole, but for DeepSpeed, which keeps its memory to
        itself; all processes must call it, as `whole`."""
        if self._deepspeed:
            return {"state": {}, "param_groups": self._groups}
        found = self.optimizer.state_dict()
        entries = found["state"].items()
        return {**found, "state": {i: whole(entry, kept=kept) for i, entry in entries}}

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Take over what `optimizer_state` gave, in whatever engine that was.

        Raises: ConfigError: the engine is DeepSpeed, whose memory cannot be set.
        """
        if self._deepspeed:
            raise ConfigError(
                "A run cannot be taken up again under DeepSpeed, which keeps its optimiser's "
                "memory to itself. Resume with training/engines/fsdp2.yaml or eight_gpus.yaml."
            )
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        entries = {
            index: {
                name: laid_out(value, parameters[index])
                if torch.is_tensor(value) and value.shape == parameters[index].shape
                else value
                for name, value in entry.items()
            }
            for index, entry in state["state"].items()
        }
        self.optimizer.load_state_dict({**state, "state": entries})

    def rested(self) -> None:
        """Let go of gathered weights: parameters are the shares again, to be read or changed."""
        from torch.distributed.fsdp import FSDPModule

        for module in self.network.modules():
            if isinstance(module, FSDPModule):
                module.reshard()

    def _quiet(self) -> Any:
        return nullcontext() if self.accelerator is None else self.accelerator.no_sync(self.network)


def new_accelerator() -> Any:
    """accelerate's, set up by `accelerate launch --config_file FILE`.

    Raises: ConfigError: part of that file would be ignored here, or would change the method.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    refuse_settings(REFUSED)
    # some families have a last layer whose text stream leads nowhere
    ddp = DistributedDataParallelKwargs(broadcast_buffers=False, find_unused_parameters=True)
    try:
        accelerator = Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=[ddp])
    except (ImportError, ValueError, TypeError) as error:  # such as DeepSpeed not installed
        raise ConfigError(f"accelerate's config cannot be used here: {error}") from error
    check_honoured(accelerator)
    return accelerator


def refuse_settings(ways: Mapping[str, tuple[str, str]]) -> None:
    """Refuse what `accelerate launch` hands over and a training does not take from there.

    Args:
        ways: variables, what they must be, and what to set.
    Raises: ConfigError
    """
    for name, (wanted, way) in ways.items():
        found = os.environ.get(name, wanted)
        if found.lower() != wanted:
            raise ConfigError(
                f"accelerate's config sets {name.lower()} to {found!r}, which this training does "
                f"not take from there. Set {way}."
            )


def check_honoured(accelerator: Any) -> None:
    """Raises: ConfigError: the config file asks for an engine that accelerate has not taken, as it
    does without a word on a CPU, or for one that is not known here."""
    got = accelerator.distributed_type.value
    for engine in ("FSDP", "DEEPSPEED"):
        asked = os.environ.get(f"ACCELERATE_USE_{engine}", "false").lower() == "true"
        if asked and got != engine:
            raise ConfigError(
                f"accelerate's config asks for {engine}, but on {accelerator.device.type} with "
                f"{accelerator.num_processes} process(es) accelerate would go on without it. Use "
                "training/engines/one_gpu.yaml or eight_gpus.yaml, or a machine with several GPUs."
            )
    if got == "FSDP" and not accelerator.is_fsdp2:
        raise ConfigError("accelerate's config asks for FSDP 1: set fsdp_version: 2.")


def whole(values: Mapping[str, Any], *, kept: bool = True) -> dict[str, Any]:
    """The same values with full tensors, in main memory, for those that are shared out; all
    processes must call it.

    Args:
        kept: by this process; else it only takes part, and gets nothing.
    """
    found = {}
    for name, value in values.items():
        full = value.full_tensor().cpu() if isinstance(value, DTensor) else value
        if kept:
            found[name] = full
    return found


def laid_out(value: Tensor, like: Tensor) -> Tensor:
    """A full tensor, on the device of `like` and shared out as that is."""
    value = value.to(like.device)
    if not isinstance(like, DTensor) or isinstance(value, DTensor):
        return value
    return distribute_tensor(value, like.device_mesh, like.placements)
