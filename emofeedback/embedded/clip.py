"""The embedded text and picture encoder: a tiny CLIP pair that knows the words of the drawn world.

Its text tower conditions the embedded generator, through ComfyUI and through diffusers alike; the
similarity of both towers says how well a picture still shows the prompt.
"""

from __future__ import annotations

import functools
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .weights import fill, read_settings, read_weights, weight_path

MODEL = "drawn_clip"
CONTEXT_LENGTH = 32
START, END, UNKNOWN = "<start>", "<end>", "<unknown>"
WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Calibration:
    """Turns a cosine into the probability that picture and prompt belong together."""

    scale: float
    bias: float

    def apply(self, cosine: Tensor) -> Tensor:
        """Cosine of the embeddings -> 0..1."""
        return torch.sigmoid(self.scale * cosine + self.bias)


def build_tokenizer(words: Iterable[str]) -> Any:
    """A transformers tokenizer with one token a word; lower-case, punctuation dropped.

    Unknown words become one token that was never trained. Ids: start 0, end (and padding) 1,
    unknown 2, then the words in sorted order.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = {START: 0, END: 1, UNKNOWN: 2}
    known = {word: len(special) + i for i, word in enumerate(sorted(set(words) - set(special)))}
    core = Tokenizer(models.WordLevel(special | known, unk_token=UNKNOWN))
    core.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\W_]+"), behavior="removed")
    core.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, 0), (END, 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        unk_token=UNKNOWN,
    )


@functools.lru_cache(maxsize=2)
def load_clip(folder: Path | None = None) -> tuple[Any, Any]:
    """The CLIP pair (transformers CLIPModel, float32, frozen) and its tokenizer.

    Raises: CheckpointError: a file is missing or damaged.
    """
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    config = CLIPConfig(**read_settings(f"{MODEL}/config.json", folder))
    tensors, metadata = read_weights(f"{MODEL}/model.safetensors", folder)
    model = fill(CLIPModel(config), tensors, MODEL)
    model.calibration = Calibration(**json.loads(metadata["calibration"]))
    where = weight_path(f"{MODEL}/tokenizer.json", folder).parent
    return model, PreTrainedTokenizerFast.from_pretrained(str(where), local_files_only=True)


def unknown_words(prompt: str, folder: Path | None = None) -> tuple[str, ...]:
    """Words and signs of a prompt that the embedded models were never trained on, each once.

    Punctuation is not a sign; emoji, arrows and signs of money or mathematics are.
    """
    vocabulary = load_clip(folder)[1].get_vocab()
    words = [word for word in WORD.findall(prompt.lower()) if word not in vocabulary]
    signs = [sign for sign in prompt if unicodedata.category(sign) in ("So", "Sm", "Sc")]
    return tuple(dict.fromkeys((*words, *signs)))


def token_ids(tokenizer: Any, prompts: Sequence[str]) -> Tensor:
    """Token ids [B, 32 * sections] as ComfyUI's SDTokenizer lays them out.

    A prompt of more than 30 words goes on in a further section with its own start and end.
    Raises: ValueError: the prompts need different numbers of sections.
    """
    room = CONTEXT_LENGTH - 2
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    rows = []
    for prompt in prompts:
        words = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        row: list[int] = []
        for begin in range(0, max(1, len(words)), room):
            section = [start, *words[begin : begin + room], end]
            row += section + [end] * (CONTEXT_LENGTH - len(section))
        rows.append(row)
    if len({len(row) for row in rows}) > 1:
        raise ValueError("prompts of different length classes: encode each on its own")
    return torch.tensor(rows, dtype=torch.long)


def encode_ids(model: Any, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Context [B, T, C] (final norm applied) and pooled [B, P] of token ids [B, T], T = 32 n.

    Sections are encoded apart and stand side by side; the first one gives the pooled embedding.
    """
    batch, length = ids.shape
    sections = ids.reshape(batch * length // CONTEXT_LENGTH, CONTEXT_LENGTH)
    output = model.text_model(input_ids=sections)
    context = output.last_hidden_state.reshape(batch, length, -1)
    pooled = model.text_projection(output.pooler_output)
    return context, pooled.reshape(batch, length // CONTEXT_LENGTH, -1)[:, 0]


@torch.no_grad()
def encode_text(prompts: Sequence[str], folder: Path | None = None) -> tuple[Tensor, Tensor]:
    """What conditions the generator: context [B, 32, C] and pooled [B, P], float32.

    Equals what ComfyUI's CLIPTextEncode makes of the same words with this encoder.
    """
    model, tokenizer = load_clip(folder)
    return encode_ids(model, token_ids(tokenizer, prompts))


def to_pixels(images: Tensor, size: int) -> Tensor:
    """IMAGE [B, H, W, 3] in 0..1 -> what the picture tower takes: [B, 3, size, size] in -1..1."""
    pixels = images[..., :3].movedim(-1, 1).float().clamp(0, 1)
    if pixels.shape[-2:] != (size, size):
        pixels = torch.nn.functional.interpolate(
            pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False
        )
    return pixels * 2 - 1


def embed_images(model: Any, images: Tensor) -> Tensor:
    """Unit vectors [B, P] of pictures [B, H, W, 3] in 0..1."""
    pixels = to_pixels(images, model.config.vision_config.image_size)
    pooled = model.vision_model(pixel_values=pixels).pooler_output
    return torch.nn.functional.normalize(model.visual_projection(pooled), dim=-1)


def embed_texts(model: Any, tokenizer: Any, prompts: Sequence[str]) -> Tensor:
    """Unit vectors [B, P] of prompts; of a long prompt the first 30 words count."""
    ids = torch.cat([token_ids(tokenizer, [prompt])[:, :CONTEXT_LENGTH] for prompt in prompts])
    return torch.nn.functional.normalize(encode_ids(model, ids)[1], dim=-1)


@torch.no_grad()
def similarity(images: Tensor, prompt: str, folder: Path | None = None) -> Tensor:
    """How surely the pictures [B, H, W, 3] (0..1) show what the prompt says: [B] in 0..1.

    The cosine is calibrated on drawn pictures: 0.5 is the border between the picture's own neutral
    prompt and one with another place or subject.
    """
    model, tokenizer = load_clip(folder)
    cosine = embed_images(model, images) @ embed_texts(model, tokenizer, [prompt])[0]
    result: Tensor = model.calibration.apply(cosine)
    return result


def new_clip(settings: dict[str, Any]) -> Any:
    """A CLIP pair with fresh weights; `settings` from `clip_settings`."""
    from transformers import CLIPConfig, CLIPModel

    return CLIPModel(CLIPConfig(**settings))


def clip_settings(
    vocabulary_size: int,
    *,
    image_size: int = 128,
    patch_size: int = 16,
    text_layers: int = 2,
    image_width: int = 160,
    image_layers: int = 4,
    width: int = 128,
) -> dict[str, Any]:
    """Content of config.json: text tower and embedding of `width`, heads 64 wide."""
    return {
        "projection_dim": width,
        "logit_scale_init_value": math.log(1 / 0.07),
        "text_config": {
            "vocab_size": vocabulary_size,
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": text_layers,
            "num_attention_heads": width // 64,
            "max_position_embeddings": CONTEXT_LENGTH,
            "hidden_act": "gelu",
            "projection_dim": width,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        "vision_config": {
            "image_size": image_size,
            "patch_size": patch_size,
            "hidden_size": image_width,
            "intermediate_size": 4 * image_width,
            "num_hidden_layers": image_layers,
            "num_attention_heads": image_width // 64,
            "hidden_act": "gelu",
            "projection_dim": width,
        },
    }
