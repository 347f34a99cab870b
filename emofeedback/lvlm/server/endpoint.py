"""A vision-language model behind an OpenAI-compatible server: vLLM, SGLang, Ollama, LM Studio, ...

Ratings come from the log-probabilities of the two digits that the server writes. Not every server
gives them, and some accept the wish and ignore it: then the digits themselves are the rating, and
every reading says so. The same holds for JSON schemas.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...errors import ConfigError, ScorerAnswerError
from ...images import data_uri
from ..base import (
    DEFAULT_PROMPTS,
    PROMPT_SETS,
    TAUGHT,
    Ask,
    ProgressCallback,
    PromptSet,
    Rating,
    Written,
)
from ..pictures import to_pil
from ..prompts import fill_prompt, load_prompt
from .allowed import allowed_address
from .client import model_names, send_all
from .connection import Server
from .digits import Digits, read_digits, yes_share
from .keys import api_key
from .refusals import repeated
from .replies import Reply
from .waiting import run_watched

AT_ONCE = 4
RETRIES = 3
TIMEOUT_S = 120.0
LISTING_S = 10.0
CONTENT_PROMPT = "viewer_content_v1"
AGAIN_PROMPT = "viewer_digits_again_v1"
TOP_LOGPROBS = 20
NO_LOGPROBS = (
    "This server gives no log-probabilities, so ratings are whole digits, 0.75 apart, and their "
    "spread is a guess. For finer readings use a server that gives them (vLLM, SGLang)."
)
NO_SCHEMA = "This server ignored or refused the JSON schema; its answers are read as they come."
NO_THOUGHT = {
    "chat_template_kwargs": {"enable_thinking": False},  # vLLM, SGLang, llama.cpp
    "reasoning_effort": "none",
}
"""Wishes that a thinking model answers at once."""
_Asked = tuple[Reply, dict[str, Any]]


@dataclass(frozen=True)
class EndpointLvlm:
    """A model on a server.

    Args:
        model: the model's name on the server.
        server: where and how it is asked.
        thought_tokens: that it may think before a written answer; 0 asks it not to think. Digits
            are always asked for without a thought.
    """

    model: str
    server: Server
    prompts: PromptSet = PROMPT_SETS[DEFAULT_PROMPTS]
    thought_tokens: int = 0

    @property
    def name(self) -> str:
        """Model and server, as readings and messages show them."""
        return self.server.name

    def rate(self, images: Tensor, prompt: str | None, watch: ProgressCallback) -> list[Rating]:
        """One rating a picture, all read in one way.

        Content is asked for on its own, so the artist's prompt cannot touch the rating. Where
        log-probabilities come for some pictures only, all are asked for again, and then read as
        whole digits.

        Raises: ScorerError: the server cannot be asked. ScorerAnswerError: it wrote no digits, and
            none when it was asked once more.
        """
        pictures = [data_url(image) for image in images]
        rate, filled = load_prompt(self.prompts.digits), []
        if prompt is not None:
            asked = fill_prompt(CONTENT_PROMPT, prompt=" ".join(prompt.split()).replace('"', "'"))
            filled = [self._rating_body(asked, picture) for picture in pictures]
        bodies = [self._rating_body(rate, picture) for picture in pictures]
        replies = self._ask_all([*bodies, *filled], watch)
        told = self._digits(pictures, replies[: len(pictures)], watch)
        contents: list[Reply | None] = [reply for reply, _ in replies[len(pictures) :]]
        if len({digits.logits is None for digits, _ in told}) > 1:
            told = self._digits(pictures, self._ask_all(bodies, watch), watch)
        whole = self.server.settlement.whole or any(digits.logits is None for digits, _ in told)
        self.server.settlement.whole = whole
        return [
            self._rating(digits, tokens, content, whole=whole)
            for (digits, tokens), content in zip(told, contents or [None] * len(told), strict=True)
        ]

    def write(self, asks: Sequence[Ask], watch: ProgressCallback) -> list[Written]:
        """One answer an ask, several at a time."""
        replies = self._ask_all([self._written_body(ask) for ask in asks], watch)
        return [_written(ask, *reply) for ask, reply in zip(asks, replies, strict=True)]

    def release(self) -> None:
        """Nothing to do: the server owns the model."""

    @property
    def _rating_tokens(self) -> int:
        return 2 if self.prompts.filled else 8

    def _body(self, question: str, picture: str | None, **settings: Any) -> dict[str, Any]:
        """A request; the constant question stands first, for the server's prefix cache."""
        content: list[dict[str, Any]] = [{"type": "text", "text": question}]
        if picture is not None:
            content.append({"type": "image_url", "image_url": {"url": picture}})
        if self.prompts.picture_first:
            content.reverse()
        message = {"role": "user", "content": content}
        return {"model": self.model, "messages": [message], "temperature": 0.0, **settings}

    def _rating_body(self, question: str, picture: str) -> dict[str, Any]:
        settings = {"logprobs": True, "top_logprobs": TOP_LOGPROBS, **NO_THOUGHT}
        return self._body(question, picture, max_tokens=self._rating_tokens, **settings)

    def _written_body(self, ask: Ask) -> dict[str, Any]:
        settings: dict[str, Any] = {"max_tokens": ask.max_tokens + self.thought_tokens}
        if not self.thought_tokens:
            settings |= NO_THOUGHT
        if ask.seed is not None:
            settings |= {"seed": ask.seed, "temperature": 0.7}
        if ask.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": dict(ask.schema)}
            settings["response_format"] = {"type": "json_schema", "json_schema": schema}
        picture = None if ask.image is None else data_url(ask.image)
        return self._body(ask.question, picture, **settings)

    def _digits(
        self, pictures: Sequence[str], asked: Sequence[_Asked], watch: ProgressCallback
    ) -> list[tuple[Digits, int]]:
        """The digits of each picture's reply, asked for once more where it has none; tokens spent.

        Raises: ScorerAnswerError: a reply has none, twice.
        """
        replies = [reply for reply, _ in asked]
        spent = [reply.tokens for reply in replies]
        problems = {}
        for index, reply in enumerate(replies):
            try:
                self._read(reply)
            except ScorerAnswerError as error:
                problems[index] = str(error)
        if problems and self.prompts.again:
            question = load_prompt(self.prompts.digits)
            bodies = [
                self._rating_body(
                    f"{question}\n\n{fill_prompt(AGAIN_PROMPT, problem=told)}", pictures[index]
                )
                for index, told in problems.items()
            ]
            for index, (reply, _) in zip(problems, self._ask_all(bodies, watch), strict=True):
                replies[index] = reply
                spent[index] += reply.tokens
        return [
            (self._read(reply, tries=2 if index in problems and self.prompts.again else 1), tokens)
            for index, (reply, tokens) in enumerate(zip(replies, spent, strict=True))
        ]

    def _read(self, reply: Reply, *, tries: int = 1) -> Digits:
        try:
            return read_digits(reply, self.name, adjoining=self.prompts.filled)
        except ScorerAnswerError as error:
            raise repeated(error, tries) from None

    def _rating(self, digits: Digits, tokens: int, content: Reply | None, *, whole: bool) -> Rating:
        valence, arousal = digits.whole() if whole else digits.expected()
        return Rating(
            valence=valence,
            arousal=arousal,
            content=None if content is None else yes_share(content),
            tokens=tokens + (0 if content is None else content.tokens),
            raw_text=digits.text,
            prompt_version=self.prompts.digits,
            warnings=(NO_LOGPROBS,) if whole else (),
        )

    def _ask_all(
        self, bodies: Sequence[Mapping[str, Any]], watch: ProgressCallback
    ) -> list[_Asked]:
        return run_watched(
            lambda progress: send_all(self.server, bodies, progress), len(bodies), watch
        )


def _written(ask: Ask, reply: Reply, sent: Mapping[str, Any]) -> Written:
    """What a server wrote; a thought that was cut is no answer."""
    text = reply.text
    if not text.strip() and reply.thought:
        text = f"<think>{reply.thought}"
    ignored = ask.schema is not None and (
        "response_format" not in sent or not text.lstrip().startswith("{")
    )
    return Written(text, reply.tokens, (NO_SCHEMA,) if ignored else (), unfinished=reply.unfinished)


def data_url(image: Tensor) -> str:
    """A picture [H, W, 3] in 0..1 as a JPEG data URL, no longer than readings need."""
    stream = io.BytesIO()
    to_pil(image).save(stream, format="JPEG", quality=92)
    return data_uri(stream.getvalue(), "jpeg")


def list_models(url: str, *, timeout_s: float = LISTING_S) -> list[str]:
    """Names of the models on a server that may be called.

    Raises: ConfigError: a URL that is not allowed. ScorerError: it cannot be asked.
    """
    address = allowed_address(url)
    server = Server(address, api_key(address), str(address), timeout_s, 0, 1, timeout_s)
    return asyncio.run(model_names(server))


def open_endpoint(
    url: str,
    model: str,
    *,
    timeout_s: float = TIMEOUT_S,
    at_once: int = AT_ONCE,
    retries: int = RETRIES,
    patience_s: float = 0.0,
    thought_tokens: int = 0,
) -> EndpointLvlm:
    """A model on a server that may be called; nothing is sent yet.

    Args:
        model: its name there. One that ends in "@" and a name of `PROMPT_SETS`, as
            `python -m emofeedback serve` gives it, is asked with those prompts.
        timeout_s: for one try of a question.
        at_once: questions at a time.
        retries: how often a question is sent again where the server is busy or fails.
        patience_s: for one question as a whole, all tries; at least and by default `timeout_s`.
        thought_tokens: as in `EndpointLvlm`.
    Raises: ConfigError: a URL that is not allowed, a missing key, or no model name.
    """
    address = allowed_address(url)
    if not model.strip():
        raise ConfigError(
            f"No model is named for {address}. Most servers list theirs at {address.url}/models."
        )
    name = f"{model.strip()} at {address}"
    server = Server(
        address, api_key(address), name, timeout_s, retries, at_once, max(timeout_s, patience_s)
    )
    taught = PROMPT_SETS.get(model.strip().rpartition(TAUGHT)[2], PROMPT_SETS[DEFAULT_PROMPTS])
    return EndpointLvlm(model.strip(), server, taught, thought_tokens)
