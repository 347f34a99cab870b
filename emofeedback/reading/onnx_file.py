"""A picture encoder from an ONNX file, run by onnxruntime where that is installed.

A classifier's file names its answers only, while a head wants what feeds the last layer. That
tensor is made an output by appending a few bytes: protobuf joins a message that comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError, MissingDependencyError
from .preprocessing import Preprocessing

POOLED = "pooled"
MAX_BYTES = 2**31 - 1
_LINEAR = ("Gemm", "MatMul", "Conv")
_GRAPH, _NODES, _OUTPUTS = 7, 1, 12  # fields of ModelProto and of GraphProto


class OnnxNetwork:
    """Features of pictures by one tensor of an ONNX graph.

    Args:
        tensor: its name; "pooled" for what feeds the last linear layer, "" for the first output.
    Raises: MissingDependencyError: no onnxruntime. CheckpointError: no graph, or no such tensor.
    """

    def __init__(self, path: Path, tensor: str, preprocessing: Preprocessing) -> None:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"There is no ONNX file of at most 2 GB at {path}.")
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError(
                f"An ONNX encoder needs onnxruntime ({error}). Run: pip install onnxruntime"
            ) from error
        model = path.read_bytes()
        try:
            if tensor == POOLED:
                tensor = before_last_layer(model)
            if tensor:
                model += _field(_GRAPH, _field(_OUTPUTS, _field(1, tensor.encode())))
            self.session: Any = onnxruntime.InferenceSession(
                model, providers=onnxruntime.get_available_providers()
            )
        except (IndexError, ValueError, RuntimeError) as error:  # onnxruntime's are RuntimeErrors
            raise CheckpointError(f"{path} cannot be run ({str(error)[:200]}).") from error
        self.input = self.session.get_inputs()[0]
        self.output = tensor or self.session.get_outputs()[0].name
        self.preprocessing = preprocessing

    def features(self, images: Tensor) -> Tensor:
        """Pictures [B, H, W, 3] in 0..1 -> [B, F], on the CPU."""
        pixels = self.preprocessing.apply(images.detach().cpu())
        if self.input.shape[-1] == 3:  # channels last
            pixels = pixels.movedim(1, -1)
        whole = isinstance(self.input.shape[0], int) and self.input.shape[0] == 1
        parts = pixels.split(1) if whole else (pixels,)
        found = [
            self.session.run(
                [self.output], {self.input.name: np.ascontiguousarray(part.numpy(), np.float32)}
            )[0]
            for part in parts
        ]
        return torch.from_numpy(np.concatenate(found)).float().flatten(1)


def before_last_layer(model: bytes) -> str:
    """The name of the tensor that feeds the graph's last linear layer.

    Raises: ValueError: there is none.
    """
    last = ""
    for field, graph in _messages(model):
        for inner, node in _messages(graph) if field == _GRAPH else ():
            if inner == _NODES:
                parts = list(_messages(node))
                if any(number == 4 and value.decode() in _LINEAR for number, value in parts):
                    last = next(value.decode() for number, value in parts if number == 1)
    if not last:
        raise ValueError("the graph has no linear layer; name a tensor")
    return last


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message. Raises: IndexError, ValueError."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 2:
            size, place = _varint(data, place)
            yield key >> 3, data[place : place + size]
            place += size
        elif kind == 0:
            _, place = _varint(data, place)
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise ValueError("this is no ONNX file")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _field(number: int, content: bytes) -> bytes:
    size, head = len(content), bytes([number << 3 | 2])
    while size >= 0x80:
        head, size = head + bytes([size & 0x7F | 0x80]), size >> 7
    return head + bytes([size]) + content
