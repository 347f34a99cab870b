"""A transformers vision-language model that rates and writes: Qwen2.5-VL, Qwen3-VL and others."""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from ..errors import ScorerError
from .base import (
    CUT_OFF,
    NO_DIGIT_WARNING,
    SMALLEST_SHARE,
    Ask,
    ProgressCallback,
    PromptSet,
    Rating,
    Written,
)
from .branches import joint_digits, with_suffix
from .constrained import OPENED, AnswerShapes, ShapedAnswer, answer_shapes
from .logprobs import told_logprobs
from .pictures import LONG_SIDE, SquareProcessor, to_pictures
from .prompts import load_prompt
from .readout import (
    NUM_DIGITS,
    AnswerForm,
    answer_form,
    expected_digits,
    label_logits,
    without_sharing,
    yes_probability,
)
from .repeated_text import RepeatedText

MOST_AT_ONCE = 16
SAMPLING = {"do_sample": True, "temperature": 0.7, "top_k": 20}

Place = Callable[[int], AbstractContextManager[torch.device]]
"""Called with the bytes that a pass needs beside the weights; the model is on the device within."""


@dataclass
class TransformersLvlm:
    """A loaded model with its processor.

    Args:
        model: in evaluation mode.
        processor: of the same folder.
        name: shown in readings and messages.
        prompts: what it is asked with.
        place: brings the model to its device for a pass; by default it stays where it is.
        room: free bytes beside the weights, which decides how many pictures are read at once.
    """

    model: Any
    processor: Any
    name: str
    prompts: PromptSet
    place: Place | None = None
    room: Callable[[], int] | None = None
    _forms: dict[str | None, AnswerForm] = field(default_factory=dict, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def asked_with(self, prompts: PromptSet) -> Self:
        """The same model, asked with other prompts; both can be used."""
        view = copy.copy(self)
        view.prompts = prompts
        for made in ("_rating_chat", "_rating_question"):
            vars(view).pop(made, None)
        return view

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text, in which nothing is a special token."""
        return list(
            self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        )

    @torch.inference_mode()
    def rate(self, images: Tensor, prompt: str | None, watch: ProgressCallback) -> list[Rating]:
        """One rating a picture; as many pictures in one pass as there is memory for.

        Raises: ScorerError: the tokenizer has no digits.
        """
        form = self._rating_form(prompt)
        ratings: list[Rating] = []
        while len(ratings) < len(images):
            part = images[len(ratings) : len(ratings) + self._at_once(images)]
            watch(len(ratings), len(images))
            ratings += self._rate_part(part, form)
        watch(len(images), len(images))
        return ratings

    @torch.inference_mode()
    def write(self, asks: Sequence[Ask], watch: ProgressCallback) -> list[Written]:
        """One answer an ask, one after the other; `watch` is called at every token."""
        answers: list[Written] = []
        for ask in asks:
            answers.append(self._write_one(ask, lambda: watch(len(answers), len(asks))))
        watch(len(asks), len(asks))
        return answers

    def digits(self, images: Tensor) -> Tensor:
        """Log-probabilities [B, 9, 9] of every pair of valence and arousal digits.

        Where pictures [B, H, W, 3] carry a gradient and a `SquareProcessor` reads them, the result
        does, and comes from one pass. For models whose valence digit is filled in.
        """
        with torch.inference_mode(not images.requires_grad), self._turn:
            inputs = self._rating_inputs(images, self.model.device)
            return joint_digits(self.model, inputs, self._rating_form(None))[0]

    def release(self) -> None:
        """Nothing to do: the model stays where it is."""

    def pass_bytes(self, height: int, width: int) -> int:
        """A generous guess of what one picture needs beside the weights, in bytes."""
        text = self.model.config.get_text_config()
        shrink = min(1.0, LONG_SIDE / max(height, width))
        tokens = 256 + height * width * shrink**2 / 196  # the smallest patches in use are 14 px
        width_of_layer = 4 * text.hidden_size + 3 * getattr(text, "intermediate_size", 0)
        return int(tokens * width_of_layer * 4 + text.vocab_size * 16)

    def _rating_form(self, prompt: str | None) -> AnswerForm:
        """The answer form, kept for the prompt asked last: making one takes many encodings."""
        if prompt not in self._forms:
            self._forms.clear()
            self._forms[prompt] = answer_form(self.prompts.answer, self.encode, prompt=prompt)
        return self._forms[prompt]

    def _rating_inputs(self, images: Tensor, device: torch.device) -> dict[str, Tensor]:
        if isinstance(self.processor, SquareProcessor):
            return self.inputs(images, self._rating_chat, device)
        return self._ready(self._rating_question(to_pictures(images)), device)

    @cached_property
    def _rating_chat(self) -> str:
        return self.chat(load_prompt(self.prompts.rate))

    @cached_property
    def _rating_question(self) -> RepeatedText:
        return RepeatedText(self.processor, self._rating_chat)

    @property
    def _tokenizer(self) -> Any:
        return getattr(self.processor, "tokenizer", self.processor)

    def chat(self, question: str, *, pictured: bool = True) -> str:
        """The user's turn with the instruction before the picture, so that prefix caches work.

        Raises: ScorerError: the model's chat template takes no picture.
        """
        text = {"type": "text", "text": question}
        picture = {"type": "image"}
        content = [picture, text] if self.prompts.picture_first else [text, picture]
        content = content if pictured else [text]
        # others hand the variables that their template does not know to the processor
        knows = "enable_thinking" in (self.processor.chat_template or "")
        try:
            return str(
                self.processor.apply_chat_template(
                    [{"role": "user", "content": content}],
                    tokenize=False,
                    add_generation_prompt=True,
                    **({"enable_thinking": False} if knows else {}),
                )
            )
        except Exception as error:  # jinja and transformers each raise their own
            raise ScorerError(
                f"{self.name} has no chat template for a question with a picture "
                f"({type(error).__name__}: {error}). Choose an instruction-tuned model with vision."
            ) from error

    def inputs(self, images: Tensor | None, chat: str, device: torch.device) -> dict[str, Tensor]:
        """What the model takes for these pictures [B, H, W, 3], each with the same chat text.

        Without pictures, the chat text alone.
        """
        pictures: Any = images
        if images is not None and not isinstance(self.processor, SquareProcessor):
            pictures = to_pictures(images)
        texts = [chat] * (1 if images is None else len(images))
        return self._ready(self.processor(text=texts, images=pictures, return_tensors="pt"), device)

    def _ready(self, inputs: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """Inputs where the model is, pictures in its precision.

        Kinds of tokens are left out where the model does not ask for them: those of transformers
        before 5.1 find pictures by their placeholders. A wrapper that names nothing gets all.
        """
        named = inspect.signature(self.model.forward).parameters
        return {
            key: value.to(device, self.model.dtype if value.is_floating_point() else None)
            for key, value in inputs.items()
            if key != "mm_token_type_ids" or key in named or "input_ids" not in named
        }

    def _at_once(self, images: Tensor) -> int:
        if self.room is None:
            return MOST_AT_ONCE
        return max(1, min(MOST_AT_ONCE, self.room() // self.pass_bytes(*images.shape[1:3])))

    def _rate_part(self, images: Tensor, form: AnswerForm) -> list[Rating]:
        """Halves the pictures where memory runs out after all.

        Raises: ScorerError: there is not enough for a single one.
        """
        try:
            needed = self.pass_bytes(*images.shape[1:3]) * len(images)
            with self._turn, self._placed(needed) as device:
                inputs = with_suffix(self._rating_inputs(images, device), form.token_ids)
                if self.prompts.filled:
                    return self._rate_filled(inputs, form)
                return self._rate_marked(inputs, form)
        except torch.OutOfMemoryError as error:
            if len(images) == 1:
                raise ScorerError(
                    f"{self.name} ran out of memory on a single picture ({error}). Choose a "
                    "smaller model, or read it through a ComfyUI CLIP or a server."
                ) from error
        half = len(images) // 2
        return [r for part in (images[:half], images[half:]) for r in self._rate_part(part, form)]

    def _rate_marked(self, inputs: dict[str, Tensor], form: AnswerForm) -> list[Rating]:
        length = inputs["input_ids"].shape[1]
        places = torch.tensor([length - position for position in form.positions])
        logits = self.model(
            **inputs, use_cache=False, logits_to_keep=places.to(self.model.device)
        ).logits  # [B, slots, vocabulary]
        return ratings_of(
            [logits[:, index] for index in range(len(form.slots))],
            form,
            tokens=length,
            version=self.prompts.rate,
        )

    def _rate_filled(self, inputs: dict[str, Tensor], form: AnswerForm) -> list[Rating]:
        """Arousal after each valence digit, weighted by its probability: nine branches."""
        joint, share = joint_digits(self.model, inputs, form)
        means = [expected_digits(joint.logsumexp(axis)) for axis in (2, 1)]
        if self.prompts.shared:
            means = [(mean, without_sharing(spread)) for mean, spread in means]
        branch = 1 + len(form.slots[1].token_ids)
        tokens = inputs["input_ids"].shape[1] + NUM_DIGITS * branch
        return _ratings(means, None, share, tokens, self.prompts.rate)

    def _write_one(self, ask: Ask, at_token: Callable[[], None]) -> Written:
        from transformers import LogitsProcessorList, StoppingCriteriaList

        def stop(ids: Tensor, _scores: Tensor, **_: Any) -> Tensor:
            at_token()
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

        at_token()
        images = None if ask.image is None else ask.image.unsqueeze(0)
        needed = 2 * self.pass_bytes(*((1, 1) if images is None else images.shape[1:3]))
        with self._turn, self._placed(needed) as device, _seeded(ask.seed, device):
            chat = self.chat(ask.question, pictured=images is not None)
            inputs = self.inputs(images, chat, device)
            sampling = {**SAMPLING, "top_p": self.prompts.top_p}
            shaped = self._shaped(ask, chat)
            out = self.model.generate(
                **inputs,
                max_new_tokens=ask.max_tokens,
                stopping_criteria=StoppingCriteriaList([stop]),
                logits_processor=LogitsProcessorList(shaped),
                return_dict_in_generate=True,
                output_logits=ask.top_logprobs > 0,
                **({"do_sample": False} if ask.seed is None else sampling),
            )
        ids = out.sequences[0]
        new = ids[inputs["input_ids"].shape[1] :]
        ended = len(new) < ask.max_tokens or int(new[-1]) in self._tokenizer.all_special_ids
        return Written(
            self._tokenizer.decode(new, skip_special_tokens=True),
            len(ids),
            logprobs=told_logprobs(self._tokenizer, new, out.logits or (), ask.top_logprobs),
            unfinished="" if ended or shaped else CUT_OFF,  # a shape is whole within the limit
            cut=not ended,
            new_tokens=len(new),
        )

    def _shaped(self, ask: Ask, chat: str) -> list[ShapedAnswer]:
        """What holds the answer to its schema; nothing where that is not possible."""
        if ask.schema is None or self.prompts.free or self._shapes is None:
            return []
        thinking = chat.rstrip().endswith(OPENED)
        return [self._shapes.answer(ask.schema, max_tokens=ask.max_tokens, thinking=thinking)]

    @cached_property
    def _shapes(self) -> AnswerShapes | None:
        stops = self.model.generation_config.eos_token_id
        stops = [] if stops is None else stops if isinstance(stops, list) else [stops]
        vocabulary = self.model.config.get_text_config().vocab_size
        return answer_shapes(self._tokenizer, vocabulary=vocabulary, stops=stops)

    def _placed(self, needed: int) -> AbstractContextManager[torch.device]:
        return nullcontext(self.model.device) if self.place is None else self.place(needed)


def ratings_of(
    logits: Sequence[Tensor], form: AnswerForm, *, tokens: int, version: str
) -> list[Rating]:
    """Ratings from the logits [B, vocabulary] at each slot of a form."""
    read = {slot.name: label_logits(at, slot) for slot, at in zip(form.slots, logits, strict=True)}
    means = [expected_digits(read[axis][0]) for axis in ("valence", "arousal")]
    content = yes_probability(read["content"][0]) if "content" in read else None
    return _ratings(means, content, read["valence"][1], tokens, version)


def _ratings(
    means: Sequence[tuple[Tensor, Tensor]],
    content: Tensor | None,
    share: Tensor,
    tokens: int,
    version: str,
) -> list[Rating]:
    valence, arousal = (torch.stack(axis, -1).tolist() for axis in means)
    shown = [None] * len(valence) if content is None else content.tolist()
    return [
        Rating(
            valence=(v[0], v[1]),
            arousal=(a[0], a[1]),
            content=c,
            tokens=tokens,
            prompt_version=version,
            warnings=(NO_DIGIT_WARNING,) if s < SMALLEST_SHARE else (),
        )
        for v, a, c, s in zip(valence, arousal, shown, share.tolist(), strict=True)
    ]


@contextmanager
def _seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Sampling with its own seed; the global random source is left as it was."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        if seed is not None:
            torch.manual_seed(seed)
        yield
