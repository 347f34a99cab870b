"""What a round's pictures are kept as, and what they were decoded from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save as save_arrays
from safetensors.torch import load, save
from torch import Tensor

from ..errors import LoopError

_NAME = "samples"
_PARTS = ("images", "latents")


@dataclass(frozen=True, slots=True)
class Drawn:
    """The candidates of a round.

    Args:
        images: PNG bytes, one a candidate.
        latents: of each, as `to_bytes` makes them; empty where unknown.
    """

    images: tuple[bytes, ...]
    latents: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all together."""
        return sum(map(len, (*self.images, *self.latents)))

    def packed(self) -> bytes:
        """All as one safetensors file: uint8, one tensor a picture and one a latent."""
        # As arrays: of tensors safetensors leaves a type of ctypes for every size, for ever, and no
        # two pictures have as many bytes.
        named = {
            f"{part}.{place:04}": np.frombuffer(data, np.uint8)
            for part in _PARTS
            for place, data in enumerate(getattr(self, part))
        }
        data: bytes = save_arrays(named)
        return data

    @classmethod
    def unpacked(cls, data: bytes) -> Drawn:
        """What was `packed`, to the bit. Raises: LoopError: it is no such file."""
        parts: dict[str, list[bytes]] = {part: [] for part in _PARTS}
        try:
            for name, tensor in sorted(load(data).items()):
                parts[name.partition(".")[0]].append(tensor.numpy().tobytes())
        except (SafetensorError, KeyError) as error:
            raise LoopError(f"The kept pictures of a round are damaged ({error}).") from None
        return cls(tuple(parts["images"]), tuple(parts["latents"]))


def to_bytes(latent: Tensor) -> bytes:
    """One latent of any shape and number format, as a safetensors file."""
    data: bytes = save({_NAME: latent.detach().cpu().contiguous()})
    return data


def from_bytes(data: bytes) -> Tensor:
    """The latent that `to_bytes` was given. Raises: LoopError: it is none."""
    try:
        return load(data)[_NAME]
    except (SafetensorError, KeyError) as error:
        raise LoopError(
            f"The latent kept of a picture is damaged ({error}). Empty the input resume to start a "
            "new loop."
        ) from None
