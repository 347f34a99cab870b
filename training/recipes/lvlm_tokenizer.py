"""The embedded vision-language model's own tokenizer: small byte-level BPE with a chat template.

Digits are single tokens, so that a rating is one token an axis, and the fixed parts of the JSON
answers are kept whole, so that an answer costs few tokens. Any text can be written in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emofeedback.plane.words import PRESETS
from emofeedback.refining.cues import FAMILIES

from ..world.captions import caption
from ..world.scene import sample_scene
from .lvlm_tasks import explain_lesson, rate_prompt, refine_lesson

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# Qwen's turn markers; a content part is a picture or a text.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_KEYS = "valence|arousal|words|cues|name|direction|suggestions|cue|text|reason|clause"
# JSON glue with the key it carries, single digits, words with their space, other signs, white space
_PIECES = rf"""[\[\]{{}},:"]+(?:(?:{_KEYS})"[\[\]{{}},:"]*)?|\d| ?\p{{L}}+| ?[^\s\p{{L}}\d]+|\s+"""


def lesson_texts(count: int, seed: int) -> Iterable[str]:
    """Captions, prompts and answers as the recipe will meet them."""
    random = np.random.default_rng(seed)
    yield from (rate_prompt(), "user\n", "assistant\n", *PRESETS)
    for levels in FAMILIES.values():
        for level in levels:
            yield from (level.label, *level.phrases)
    for _ in range(count):
        scene = sample_scene(random, split="any")
        explain, refine = explain_lesson(scene), refine_lesson(scene, random)
        yield from (caption(scene, random), explain.prompt, explain.answer)
        yield from (refine.prompt, refine.answer)


def train_tokenizer(
    *, vocab_size: int, count: int = 3000, seed: int = 0
) -> PreTrainedTokenizerFast:
    """The same tokenizer every time for the same values."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lesson_texts(count, seed), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def load_or_train_tokenizer(folder: Path, *, vocab_size: int) -> PreTrainedTokenizerFast:
    """The run's tokenizer, made once: a resumed run must not see other token numbers."""
    from transformers import AutoTokenizer

    marker = folder / "complete.json"
    if not marker.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        train_tokenizer(vocab_size=vocab_size).save_pretrained(folder)
        marker.write_text(json.dumps({"vocab_size": vocab_size}) + "\n", encoding="utf-8")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
