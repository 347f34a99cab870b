"""The embedded vision-language model: reads ratings as digits and writes JSON answers.

An ordinary transformers Qwen2.5-VL in a tiny configuration with its own small tokenizer, trained on
the drawn world by `python -m training.world train lvlm`. It knows drawn pictures only.

A rating answer is two digits, valence then arousal, on the 1..9 scale. `rate` reads their joint
distribution in one forward pass: the last prompt position gives the first digit, and nine branches,
one for each first digit and blind to one another, give the second.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import CheckpointError, MissingDependencyError
from ..lvlm.readout import (
    NUM_DIGITS,
)
from .weights import FOLDER

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen2_5_VLForConditionalGeneration

MODEL = "drawn_lvlm"
FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "preprocessor_config.json",
)
IMAGE_TOKEN = "<|image_pad|>"
END_TOKEN = "<|im_end|>"
# transformers keeps position offsets of the latest generation on the module itself
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote: the text, and the tokens it read and wrote for it."""

    text: str
    tokens: int


@dataclass(frozen=True)
class DrawnLvlm:
    """A loaded model with its tokenizer and picture size."""

    model: Qwen2_5_VLForConditionalGeneration
    tokenizer: PreTrainedTokenizerBase
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def digit_ids(self) -> list[int]:
        """Token ids of the numerals 1 to 9."""
        return [self.tokenizer.convert_tokens_to_ids(str(n)) for n in range(1, NUM_DIGITS + 1)]

    def prompt_ids(self, text: str) -> list[int]:
        """Token ids of one user turn with one picture, up to where the answer begins."""
        content = [{"type": "image"}, {"type": "text", "text": text}]
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        grid = self.image_size // self.model.config.vision_config.patch_size
        count = (grid // self.model.config.vision_config.spatial_merge_size) ** 2
        chat = chat.replace(IMAGE_TOKEN, IMAGE_TOKEN * count, 1)
        return self.tokenizer.encode(chat, add_special_tokens=False)

    def pixel_values(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Patches and grid sizes as the model's image processor makes them.

        Args:
            images: [B, H, W, 3] in 0..1, any size.
        Returns: float32 [B * N, C * T * P * P] and int64 [B, 3].
        """
        vision = self.model.config.vision_config
        pictures = images.permute(0, 3, 1, 2).float()
        if pictures.shape[-2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            pictures = F.interpolate(pictures, size, mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (self.mean, self.std))
        return to_patches((pictures - mean) / std, vision)

    def features(self, images: Tensor) -> Tensor:
        """What the vision tower sees: [B, N, C], one vector for each merged patch."""
        with _gradient_of(images):
            pixels, grid = self.pixel_values(images)
            seen = self.model.model.get_image_features(pixels, grid, return_dict=True)
            return torch.stack(list(seen.pooler_output))

    def rate(self, images: Tensor, prompt: str) -> tuple[Tensor, int]:
        """Joint log-probabilities of a two-digit rating.

        Args:
            images: [B, H, W, 3] in 0..1; where they carry a gradient, the result does.
            prompt: the rating prompt.
        Returns: [B, 9, 9] over (valence digit, arousal digit), summing to one as probabilities
            over the digits, and the number of tokens read for each picture.
        """
        ids, digits = self.prompt_ids(prompt), self.digit_ids
        length, count = len(ids), len(images)
        rows = torch.tensor(ids + digits).expand(count, -1)
        with _gradient_of(images), _ONE_AT_A_TIME:
            embeds = self._embed(rows, self.features(images))
            logits = self.model(
                inputs_embeds=embeds,
                position_ids=self._positions(rows[:, :length]),
                attention_mask=_branch_mask(length, len(digits)).expand(count, 1, -1, -1),
                logits_to_keep=len(digits) + 1,
                use_cache=False,
            ).logits[..., digits]
            first = logits[:, 0].float().log_softmax(-1)
            second = logits[:, 1:].float().log_softmax(-1)
            return first.unsqueeze(-1) + second, length + len(digits)

    @torch.inference_mode()
    def write(
        self, image: Tensor, prompt: str, *, max_new_tokens: int = 160, seed: int | None = None
    ) -> Answer:
        """The model's answer to a prompt about one picture.

        Args:
            image: [H, W, 3] in 0..1.
            seed: None takes the likeliest token each time; a number samples with it.
        """
        ids = torch.tensor([self.prompt_ids(prompt)])
        pixels, grid = self.pixel_values(image.unsqueeze(0))
        choice: dict[str, Any] = {"do_sample": False}
        if seed is not None:
            choice = {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 1.0}
        with _ONE_AT_A_TIME, _one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed or 0)
            out = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                pixel_values=pixels,
                image_grid_thw=grid,
                mm_token_type_ids=(ids == self.model.config.image_token_id).int(),
                max_new_tokens=max_new_tokens,
                **choice,
            )
        text = self.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        return Answer(text, int(out.shape[1]))

    def _embed(self, ids: Tensor, features: Tensor) -> Tensor:
        embeds = self.model.get_input_embeddings()(ids)
        places = (ids == self.model.config.image_token_id).unsqueeze(-1)
        return embeds.masked_scatter(places, features.to(embeds.dtype))

    def _positions(self, prompt: Tensor) -> Tensor:
        """Rotary positions [3, B, L + 9]; the nine branches share the place after the prompt."""
        grid = self.image_size // self.model.config.vision_config.patch_size
        positions, _ = self.model.model.get_rope_index(
            prompt,
            mm_token_type_ids=(prompt == self.model.config.image_token_id).int(),
            image_grid_thw=torch.tensor([[1, grid, grid]]).expand(len(prompt), -1),
        )
        branch = (positions.amax((0, 2)) + 1).view(1, -1, 1).expand(3, -1, NUM_DIGITS)
        return torch.cat([positions, branch], dim=2)


def _gradient_of(images: Tensor) -> torch.inference_mode:
    return torch.inference_mode(not images.requires_grad)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One token is too little work to share: on a busy machine threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def to_patches(pictures: Tensor, vision: Any) -> tuple[Tensor, Tensor]:
    """Normalised pictures cut into patches in the order of Qwen2-VL's image processor.

    Args:
        pictures: [B, 3, S, S].
        vision: the vision config (patch_size P, spatial_merge_size M, temporal_patch_size T).
    Returns: [B * N, 3 * T * P * P] and the grid [B, 3] int64.
    """
    count, channels, size, _ = pictures.shape
    patch, merge, frames = vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size
    side = size // patch
    cut = pictures.reshape(
        count, channels, side // merge, merge, patch, side // merge, merge, patch
    ).permute(0, 2, 5, 3, 6, 1, 4, 7)  # B, rows, columns, row and column in the merge, C, P, P
    flat = cut.reshape(count * side * side, channels, 1, patch * patch)
    flat = flat.expand(-1, -1, frames, -1).reshape(count * side * side, -1)
    return flat, torch.tensor([[1, side, side]]).expand(count, -1)


def _branch_mask(length: int, branches: int) -> Tensor:
    """Additive mask [1, 1, L + n, L + n]: causal prompt; each branch sees the prompt and itself."""
    allowed = torch.ones(length + branches, length + branches, dtype=torch.bool).tril()
    allowed[length:, length:] = torch.eye(branches, dtype=torch.bool)
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    return mask[None, None]


@lru_cache(maxsize=2)
def load_lvlm(folder: Path = FOLDER / MODEL) -> DrawnLvlm:
    """The model in a folder, on the CPU in float32; loaded once.

    Raises: CheckpointError: files are missing or damaged; MissingDependencyError: no transformers.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"The embedded vision-language model in {folder} lacks {', '.join(missing)}. "
            "Restore the package's files, or make them with "
            "`python -m training.world train lvlm --export`."
        )
    try:
        from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration
    except ImportError as error:
        raise MissingDependencyError(
            f"The embedded scorer needs transformers ({error}). Run: pip install transformers"
        ) from error
    try:
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        values = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        side = int(values["size"]["shortest_edge"] ** 0.5)
        mean, std = tuple(values["image_mean"]), tuple(values["image_std"])
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        raise CheckpointError(
            f"The embedded vision-language model in {folder} cannot be read "
            f"({type(error).__name__}: {error}). A file is damaged: restore the package's files."
        ) from error
    return DrawnLvlm(model.eval().requires_grad_(False), tokenizer, side, mean, std)
