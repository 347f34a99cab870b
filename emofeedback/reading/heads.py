"""A small head on picture encoders: features -> valence and arousal. Read with torch alone.

Its file (safetensors) holds the features that it was fitted on, standardised; every kind of head
(ridge, kernel ridge, support vectors) is a sum over them, and they tell foreign pictures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..records.files import parsed, replacing
from ..records.weights import read_file

KIND = "emofeedback-head"
FORMAT = "1"
MAX_BYTES = 512 * 2**20
NEAREST = 5
SAME = 0.02
"""Of the distance limit: what 16-bit weights move a picture's features by."""
TENSORS = (
    "mean", "std", "support", "weight", "bias", "gamma", "spread", "probe",
    "outlier_weight", "outlier_limit", "distance_limit",
)  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A fitted head; N pictures, F features of all encoders side by side.

    Args:
        mean, std: [F]; features are standardised, and every encoder counts alike.
        support: [N, F] standardised features of the pictures that it was fitted on.
        weight: [2, N] of each picture, for valence and arousal, calibration included.
        bias: [2]. gamma: [2] of the kernel exp(-gamma d^2); 0 is the linear kernel.
        spread: [2] standard deviations of what held-out themes missed, in scale points.
        probe: [F] raw features of a fixed picture, to know the encoder again.
        outlier_weight: [F + 1] of a linear score that drawn shapes and noise get.
        outlier_limit, distance_limit: [1] above which a picture is foreign.
        facts: encoders, data, folds, scores, licence note.
    """

    mean: Tensor
    std: Tensor
    support: Tensor
    weight: Tensor
    bias: Tensor
    gamma: Tensor
    spread: Tensor
    probe: Tensor
    outlier_weight: Tensor
    outlier_limit: Tensor
    distance_limit: Tensor
    facts: Mapping[str, Any]

    def standardised(self, features: Tensor) -> Tensor:
        """[B, F] raw -> [B, F]."""
        return (features - self.mean) / self.std

    def emotions(self, features: Tensor) -> Tensor:
        """Raw features [B, F] -> valence and arousal [B, 2] in scale points, not clipped."""
        z = self.standardised(features)
        product = z @ self.support.T
        squares = (z**2).sum(1)[:, None] + (self.support**2).sum(1) - 2 * product
        columns = []
        for weight, bias, gamma in zip(self.weight, self.bias, self.gamma, strict=True):
            kernel = product if float(gamma) == 0 else torch.exp(-gamma * squares.clamp(min=0))
            columns.append(kernel @ weight + bias)
        return torch.stack(columns, 1)

    def foreign(self, features: Tensor) -> Tensor:
        """Whether each picture is unlike those that the head was fitted on: [B] bool."""
        z = self.standardised(features)
        far = nearest_distance(z, self.support) > self.distance_limit
        return far | (outlier_score(z, self.outlier_weight) > self.outlier_limit)

    def in_sample(self, features: Tensor) -> Tensor:
        """Whether each picture is one of those that the head was fitted on: [B] bool."""
        apart = torch.cdist(self.standardised(features), self.support).amin(1)
        return apart < SAME * self.distance_limit

    def to(self, device: torch.device) -> Head:
        """The head on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in TENSORS})


def outlier_score(z: Tensor, weight: Tensor) -> Tensor:
    """[B] of standardised features [B, F]; high for noise and shapes."""
    return z @ weight[:-1] + weight[-1]


def nearest_distance(z: Tensor, support: Tensor) -> Tensor:
    """Mean distance [B] to the nearest pictures of the support."""
    return torch.cdist(z, support).topk(min(NEAREST, len(support)), largest=False).values.mean(1)


def save_head(head: Head, path: Path) -> None:
    """Writes a head, whole or not at all. Raises: OSError."""
    from safetensors.torch import save_file

    tensors = {name: getattr(head, name).detach().float().cpu().contiguous() for name in TENSORS}
    facts = {"kind": KIND, "format": FORMAT, "facts": json.dumps(dict(head.facts), sort_keys=True)}
    with replacing(path) as partial:
        save_file(tensors, str(partial), metadata=facts)


def load_head(path: Path) -> Head:
    """A head from its file.

    Raises: CheckpointError: missing, damaged, or another kind of file.
    """
    tensors, metadata = read_file(path, max_bytes=MAX_BYTES)
    if metadata.get("kind") != KIND or metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is no head for a picture encoder. Make one with `python -m emofeedback fit`."
        )
    try:
        head = Head(**{name: tensors[name].float() for name in TENSORS}, facts=_facts(metadata))
        _check(head)
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}). Fit it again.") from error
    return head


def _facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {**parsed(metadata["facts"])}
    encoders = facts.get("encoders")
    if not isinstance(encoders, list) or not encoders:
        raise TypeError("it does not say its encoders")
    for told in encoders:
        if not (told["kind"] and told["name"] and isinstance(told["options"], dict)):
            raise ValueError(f"it does not name the encoder {told!r}")
    return facts


def _check(head: Head) -> None:
    count, width = head.support.shape
    shapes: dict[str, Sequence[int]] = {
        "mean": [width], "std": [width], "weight": [2, count], "bias": [2], "gamma": [2],
        "spread": [2], "probe": [width], "outlier_weight": [width + 1], "outlier_limit": [1],
        "distance_limit": [1],
    }  # fmt: skip
    for name, shape in shapes.items():
        tensor = getattr(head, name)
        if list(tensor.shape) != list(shape):
            raise ValueError(f"{name} has the shape {list(tensor.shape)}, not {list(shape)}")
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} is not finite")
