"""Pictures as vision-language models take them: as files would come, or stretched to one square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..records.files import parsed

LONG_SIDE = 512
"""Pictures are shrunk to this before they are read: emotion needs no more, and tokens cost time."""
PICTURE_TOKEN = "<|image_pad|>"


def to_pil(image: Tensor) -> Image.Image:
    """A picture [H, W, 3] in 0..1, no longer than `LONG_SIDE`."""
    return to_pictures(image.unsqueeze(0))[0]


def to_pictures(images: Tensor) -> list[Image.Image]:
    """Pictures [B, H, W, 3] in 0..1, no longer than `LONG_SIDE`."""
    pixels = (images.detach().cpu() * 255).round_().to(torch.uint8).numpy()
    pictures = [Image.fromarray(picture) for picture in pixels]
    for picture in pictures:
        if max(picture.size) > LONG_SIDE:
            picture.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    return pictures


@dataclass(frozen=True)
class SquareProcessor:
    """A processor of the Qwen2-VL layout whose model was taught squares of one size.

    It stays in torch: the gradient of what the model reads comes back to the pictures, and neither
    Pillow nor torchvision is needed.

    Args:
        tokenizer: of transformers, with a chat template.
        side: of the pictures in pixels.
        patch, merge, frames: patch side, patches a token and side, and repeats of a still picture.
        mean, std: of the pixels, a number a channel.
    """

    tokenizer: Any
    side: int
    patch: int
    merge: int = 2
    frames: int = 1
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    @classmethod
    def of_folder(cls, folder: Path, tokenizer: Any) -> SquareProcessor:
        """As `preprocessor_config.json` describes it.

        Raises: OSError, ValueError, KeyError: missing or damaged.
        """
        values = parsed((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        return cls(
            tokenizer,
            int(values["size"]["shortest_edge"] ** 0.5),
            values["patch_size"],
            values["merge_size"],
            values["temporal_patch_size"],
            tuple(values["image_mean"]),
            tuple(values["image_std"]),
        )

    @property
    def image_processor(self) -> SquareProcessor:
        """Where transformers' processors keep what reads pictures."""
        return self

    @property
    def chat_template(self) -> str:
        """The tokenizer's."""
        return str(self.tokenizer.chat_template)

    @property
    def grid(self) -> int:
        """Patches a side."""
        return self.side // self.patch

    def apply_chat_template(self, chat: Any, **options: Any) -> str:
        """The chat as text, each picture a placeholder."""
        return str(self.tokenizer.apply_chat_template(chat, **options))

    def ids(self, text: str) -> list[int]:
        """Token ids of a chat, with as many placeholders as its picture takes tokens."""
        count = (self.grid // self.merge) ** 2
        whole = text.replace(PICTURE_TOKEN, PICTURE_TOKEN * count, 1)
        return list(self.tokenizer.encode(whole, add_special_tokens=False))

    def __call__(
        self, text: Sequence[str], images: Tensor | None = None, **_: Any
    ) -> dict[str, Tensor]:
        """What the model takes for one chat, asked of pictures [B, H, W, 3] in 0..1."""
        ids = torch.tensor([self.ids(text[0])]).expand(len(text), -1)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if images is not None:
            mark = self.tokenizer.convert_tokens_to_ids(PICTURE_TOKEN)
            inputs["mm_token_type_ids"] = (ids == mark).int()
            inputs["pixel_values"], inputs["image_grid_thw"] = self.patches(images)
        return inputs

    def patches(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures cut into patches in the order of Qwen2-VL's image processor.

        Args: images: [B, H, W, 3] in 0..1, any size.
        Returns: float32 [B * N, C * T * P * P] and the grid int64 [B, 3].
        """
        pictures = images.permute(0, 3, 1, 2).float()
        size = (self.side, self.side)
        if pictures.shape[-2:] != size:
            pictures = F.interpolate(pictures, size, mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (
            torch.tensor(v, device=images.device).view(3, 1, 1) for v in (self.mean, self.std)
        )
        return cut_patches((pictures - mean) / std, self.patch, self.merge, self.frames)


def cut_patches(pixels: Tensor, patch: int, merge: int, frames: int) -> tuple[Tensor, Tensor]:
    """Squares [B, C, S, S] as towers of the Qwen kind take them; S is a multiple of patch * merge.

    Args: as of `SquareProcessor`.
    Returns: [B * N, C * T * P * P] in the order of Qwen2-VL's processor, and the grid int64 [B, 3].
    """
    count, channels = pixels.shape[:2]
    side = pixels.shape[-1] // patch
    cut = pixels.reshape(
        count, channels, side // merge, merge, patch, side // merge, merge, patch
    ).permute(0, 2, 5, 3, 6, 1, 4, 7)  # B, rows, columns, row and column in the merge, C, P, P
    flat = cut.reshape(count * side * side, channels, 1, patch * patch)
    flat = flat.expand(-1, -1, frames, -1).reshape(count * side * side, -1)
    return flat, torch.tensor([[1, side, side]], device=pixels.device).expand(count, -1)
