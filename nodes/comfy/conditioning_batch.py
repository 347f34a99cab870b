"""Conditionings and latents as rows of one batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...emofeedback.errors import ConfigError
from .conditioning_checks import checked_conditioning


def stack_conditionings(conditionings: list[list[Any]]) -> list[Any]:
    """One conditioning whose row n is the n-th of a list.

    Raises: ConfigError: an empty one, or conditionings that differ in more than their numbers.
    """
    parts = {len(conditioning) for conditioning in conditionings}
    if parts != {len(conditionings[0])} or 0 in parts:
        raise ConfigError(
            f"The conditionings have {', '.join(map(str, sorted(parts)))} parts; a batch needs one "
            "or more in each, and as many in all. Connect them before any Conditioning Combine."
        )
    for conditioning in conditionings:
        checked_conditioning(conditioning, "batched")
    return [
        [
            _stacked([each[part][0] for each in conditionings], "tokens"),
            _stacked_extras([each[part][1] for each in conditionings]),
        ]
        for part in range(len(conditionings[0]))
    ]


def repeat_latent(latent: dict[str, Any], count: int, *, same_noise: bool) -> dict[str, Any]:
    """A latent for each of `count` conditionings; core draws noise by the batch index.

    Raises: ConfigError: a batch of neither one nor `count`.
    """
    samples = latent["samples"]
    if len(samples) not in (1, count):
        raise ConfigError(
            f"The latent is a batch of {len(samples)} for {count} conditionings. Connect a single "
            f"latent (batch size 1), which is repeated, or a batch of {count}."
        )
    repeated = {key: value for key, value in latent.items() if key != "batch_index"}
    repeated["samples"] = _repeated(samples, count)
    if "noise_mask" in latent and len(latent["noise_mask"]) == len(samples):
        repeated["noise_mask"] = _repeated(latent["noise_mask"], count)
    if same_noise:
        repeated["batch_index"] = [latent.get("batch_index", [0])[0]] * count
    return repeated


def _repeated(tensor: Tensor, count: int) -> Tensor:
    return tensor if len(tensor) == count else tensor.repeat(count, *[1] * (tensor.ndim - 1))


def _stacked_extras(extras: list[dict[str, Any]]) -> dict[str, Any]:
    """Tensors stacked; anything else has to be the same in all."""
    if any(set(extra) != set(extras[0]) for extra in extras):
        names = sorted(set().union(*extras) - set(extras[0]).intersection(*extras))
        raise ConfigError(f"Only some of the conditionings carry {', '.join(names)}. {_ONE_BY_ONE}")
    return {name: _joined(name, [extra[name] for extra in extras]) for name in extras[0]}


def _joined(name: str, values: list[Any]) -> Any:
    if all(value is values[0] for value in values):
        return values[0]
    if all(isinstance(value, Tensor) for value in values):
        return _stacked(values, name)
    if any(isinstance(value, Tensor) or value != values[0] for value in values):
        raise ConfigError(f"The conditionings differ in {name}. {_ONE_BY_ONE}")
    return values[0]


_ONE_BY_ONE = (
    "They cannot run as one batch. Connect the list straight to the sampler: it then runs once for "
    "each, and with one seed from the same noise too."
)


def _stacked(tensors: list[Tensor], name: str) -> Tensor:
    shapes = list(dict.fromkeys(tuple(tensor.shape) for tensor in tensors))
    if len(shapes) > 1 or shapes[0][0] != 1:
        told = ", ".join(" x ".join(map(str, shape)) for shape in shapes[:4])
        raise ConfigError(f"The conditionings differ in {name} ({told}). {_ONE_BY_ONE}")
    return torch.cat(tensors)
