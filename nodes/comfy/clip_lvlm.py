"""A ComfyUI CLIP that can generate (Qwen3.5, Qwen3-VL, Gemma) as a vision-language model.

Core loads it, keeps it in memory and runs it, one picture at a time; here are only the question,
and the look at the logits: `generate` is asked for one token, and the function that turns hidden
states into logits is watched while it is chosen. All slots of the answer form are read from that
one pass. Core offers no way to say which tokens may follow, so where an answer has a schema, the
function that chooses the next token is handed the logits of the allowed ones only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...emofeedback.errors import ScorerError
from ...emofeedback.lvlm.base import (
    CUT_OFF,
    PROMPT_SETS,
    Ask,
    ProgressCallback,
    PromptSet,
    Rating,
    Written,
)
from ...emofeedback.lvlm.constrained import AnswerShapes, answer_shapes
from ...emofeedback.lvlm.local import ratings_of
from ...emofeedback.lvlm.pictures import LONG_SIDE
from ...emofeedback.lvlm.prompts import load_prompt
from ...emofeedback.lvlm.readout import AnswerForm, answer_form

SAMPLING = {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.9}
GREEDY = {"do_sample": False}
WHICH = (
    "Load a vision-language model with CLIPLoader: Qwen3.5, Qwen3-VL 4B or 8B, or Gemma 3 or 4 "
    "with vision."
)


@dataclass
class ClipLvlm:
    """A generating CLIP with its tokenizer.

    Raises: ScorerError: the CLIP only encodes text, or sees no pictures.
    """

    clip: Any
    name: str = ""
    prompts: PromptSet = PROMPT_SETS["viewer_v1"]

    def __post_init__(self) -> None:
        inner = _inner(self.clip.cond_stage_model)
        self._transformer: Any = getattr(inner, "transformer", None)
        self._tokenizer: Any = getattr(_inner(self.clip.tokenizer), "tokenizer", None)
        kind = type(self._transformer).__name__.strip("_")
        self.name = self.name or f"CLIP {kind}"
        if not hasattr(self._transformer, "generate") or self._tokenizer is None:
            raise ScorerError(
                f"The CLIP ({type(self.clip.cond_stage_model).__name__}) only encodes text and "
                f"cannot answer questions. {WHICH}"
            )
        if not hasattr(self._transformer, "preprocess_embed"):
            raise ScorerError(
                f"The CLIP ({type(self.clip.cond_stage_model).__name__}) generates text but sees "
                f"no pictures. {WHICH}"
            )

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, in which nothing is a special token."""
        if hasattr(self._tokenizer, "all_special_ids"):  # one of transformers
            plain = {"add_special_tokens": False, "split_special_tokens": True}
            return list(self._tokenizer(text, **plain)["input_ids"])
        # core's own tokenizers always find special tokens, and wrap text as they wrap ""
        nothing = self._tokenizer("")["input_ids"]
        ids = self._tokenizer(text.replace("<", "‹"))["input_ids"]
        first = 1 if nothing and ids[:1] == nothing[:1] else 0
        return list(ids[first : len(ids) - max(0, len(nothing) - first)])

    @torch.inference_mode()
    def rate(self, images: Tensor, prompt: str | None, watch: ProgressCallback) -> list[Rating]:
        """One rating a picture.

        Raises: ScorerError: the tokenizer has no digits, or the pictures never reach the model.
        """
        form = answer_form(self.prompts.answer, self.encode, prompt=prompt)
        ratings: list[Rating] = []
        for image in images:
            watch(len(ratings), len(images))
            ratings.append(self._rate_one(image, form))
        watch(len(images), len(images))
        return ratings

    @torch.inference_mode()
    def write(self, asks: Sequence[Ask], watch: ProgressCallback) -> list[Written]:
        """One answer an ask; core shows the tokens' progress."""
        answers: list[Written] = []
        for ask in asks:
            watch(len(answers), len(asks))
            tokens = self._tokens(ask.question, ask.image)
            choice = GREEDY if ask.seed is None else {**SAMPLING, "seed": ask.seed}
            with self._logits_seen([1]) as seen, self._held_to_schema(ask) as held:
                ids = self.clip.generate(tokens, max_length=ask.max_tokens, **choice)
            read = seen.length
            cut = len(ids) >= ask.max_tokens and not held  # a shape is whole within the limit
            text, told = _plain(self.clip.decode(ids)), CUT_OFF if cut else ""
            answers.append(Written(text, read + len(ids), unfinished=told))
        watch(len(asks), len(asks))
        return answers

    def release(self) -> None:
        """Nothing to do: core owns the model."""

    def _rate_one(self, image: Tensor, form: AnswerForm) -> Rating:
        tokens = self._tokens(load_prompt(self.prompts.rate), image)
        rows = next(iter(tokens.values()))
        rows[0] = rows[0] + [(token, 1.0) for token in form.token_ids]
        with self._logits_seen(form.positions) as seen:
            self.clip.generate(tokens, max_length=1, **GREEDY)
        (rating,) = ratings_of(seen.logits, form, tokens=seen.length, version=self.prompts.rate)
        return rating

    def _tokens(self, question: str, image: Tensor | None) -> dict[str, Any]:
        """The question, with the picture if there is one, in the model's own template.

        Raises: ScorerError: the tokenizer leaves the picture out.
        """
        tokens: dict[str, Any] = self.clip.tokenize(
            question,
            image=None if image is None else _shrunk(image)[None],
            skip_template=False,
            min_length=1,
            thinking=False,
        )
        seen = any(isinstance(entry[0], dict) for entry in next(iter(tokens.values()))[0])
        if image is not None and not seen:
            raise ScorerError(f"{self.name} takes no picture with its question. {WHICH}")
        return tokens

    @contextmanager
    def _logits_seen(self, positions: Sequence[int]) -> Iterator[_Seen]:
        """Notes the first logits that core asks for, at these places from the end."""
        seen, original = _Seen(), self._transformer.logits

        def logits(hidden: Tensor) -> Tensor:
            if not seen.logits:
                seen.length = hidden.shape[1]
                ends = [hidden.shape[1] - position + 1 for position in positions]
                seen.logits = [original(hidden[:, :end])[:, -1].float() for end in ends]
            found: Tensor = original(hidden)
            return found

        self._transformer.logits = logits
        try:
            yield seen
        finally:
            del self._transformer.logits

    @contextmanager
    def _held_to_schema(self, ask: Ask) -> Iterator[bool]:
        """Only tokens that the answer's schema allows are chosen, where that can be known."""
        original = getattr(self._transformer, "sample_token", None)
        if ask.schema is None or self.prompts.free or original is None or self._shapes is None:
            yield False
            return
        shaped = self._shapes.answer(ask.schema, max_tokens=ask.max_tokens)

        def sample_token(logits: Tensor, *args: Any, **choice: Any) -> Tensor:
            token: Tensor = original(shaped.allowed(logits), *args, **choice)
            shaped.take(int(token[0]))
            return token

        self._transformer.sample_token = sample_token
        try:
            yield True
        finally:
            del self._transformer.sample_token

    @cached_property
    def _shapes(self) -> AnswerShapes | None:
        config = self._transformer.model.config
        # the last one ends a turn in all of core's lists, and is the one that every caller stops at
        stops = list(config.stop_tokens)[-1:]
        return answer_shapes(self._tokenizer, vocabulary=config.vocab_size, stops=stops)


class _Seen:
    """What was read while the first token was chosen."""

    def __init__(self) -> None:
        self.logits: list[Tensor] = []
        self.length = 0


def _inner(holder: Any) -> Any:
    """The one text model or tokenizer inside core's wrapper."""
    return getattr(holder, getattr(holder, "clip", ""), holder)


def _plain(text: str) -> str:
    return text.replace("<|im_end|>", "").strip()


def _shrunk(image: Tensor) -> Tensor:
    """A picture [H, W, 3] no longer than what readings need."""
    longest = max(image.shape[:2])
    if longest <= LONG_SIDE:
        return image
    size = [max(1, round(side * LONG_SIDE / longest)) for side in image.shape[:2]]
    smaller = torch.nn.functional.interpolate(
        image.movedim(-1, 0)[None], size, mode="bicubic", antialias=True
    )
    return smaller[0].movedim(0, -1).clamp(0, 1)
