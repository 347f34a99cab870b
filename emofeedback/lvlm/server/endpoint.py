"""A vision-language model behind an OpenAI-compatible server: vLLM, SGLang, Ollama, LM Studio, ...

Ratings come from the log-probabilities of the two digits that the server writes. Not every server
gives them, and some accept the wish and ignore it: then the digits themselves are the rating, and
every reading says so. The same holds for JSON schemas.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import ConfigError, ScorerAnswerError
from ...images import data_uri
from ..answers import shortened
from ..base import PROMPT_SETS, Ask, PromptSet, Rating, Watch, Written
from ..pictures import to_pil
from ..prompts import fill_prompt, load_prompt
from ..readout import (
    expected_digits,
)
from .allowed import allowed_address, api_key
from .client import send_all
from .connection import Server
from .replies import digit_logits, whole_digits, yes_share
from .waiting import run_watched

AT_ONCE = 4
RETRIES = 3
TIMEOUT_S = 120.0
CONTENT_PROMPT = "viewer_content_v1"
TOP_LOGPROBS = 20
WHOLE_SPREAD = 0.75
"""Of a rating known only as a whole digit: one step of the 1..9 scale."""
NO_LOGPROBS = (
    "This server gives no log-probabilities, so ratings are whole digits, 0.75 apart, and their "
    "spread is a guess. For finer readings use a server that gives them (vLLM, SGLang)."
)
NO_SCHEMA = "This server ignored or refused the JSON schema; its answers are read as they come."


@dataclass(frozen=True)
class EndpointLvlm:
    """A model on a server.

    Args:
        model: the model's name on the server.
        server: where and how it is asked.
    """

    model: str
    server: Server
    prompts: PromptSet = PROMPT_SETS["viewer_v1"]

    @property
    def name(self) -> str:
        """Model and server, as readings and messages show them."""
        return self.server.name

    def rate(self, images: Tensor, prompt: str | None, watch: Watch) -> list[Rating]:
        """One rating a picture.

        Content is asked for on its own, so the artist's prompt cannot touch the rating.

        Raises: ScorerError: the server cannot be asked. ScorerAnswerError: it wrote no digits.
        """
        question = load_prompt(self.prompts.digits)
        questions = [question] * len(images)
        pictures = [data_url(image) for image in images]
        if prompt is not None:
            asked = fill_prompt(CONTENT_PROMPT, prompt=" ".join(prompt.split()).replace('"', "'"))
            questions += [asked] * len(images)
            pictures += pictures
        bodies = [
            self._body(
                text,
                picture,
                max_tokens=self._rating_tokens,
                logprobs=True,
                top_logprobs=TOP_LOGPROBS,
            )
            for text, picture in zip(questions, pictures, strict=True)
        ]
        replies = self._ask_all(bodies, watch)
        contents = replies[len(images) :] or [None] * len(images)
        return [
            self._rating(reply, content)
            for reply, content in zip(replies[: len(images)], contents, strict=True)
        ]

    def write(self, asks: Sequence[Ask], watch: Watch) -> list[Written]:
        """One answer an ask, several at a time."""
        replies = self._ask_all([self._written_body(ask) for ask in asks], watch)
        return [self._written(ask, reply) for ask, reply in zip(asks, replies, strict=True)]

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

    def _written_body(self, ask: Ask) -> dict[str, Any]:
        settings: dict[str, Any] = {"max_tokens": ask.max_tokens}
        if ask.seed is not None:
            settings |= {"seed": ask.seed, "temperature": 0.7}
        if ask.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": dict(ask.schema)}
            settings["response_format"] = {"type": "json_schema", "json_schema": schema}
        picture = None if ask.image is None else data_url(ask.image)
        return self._body(ask.question, picture, **settings)

    def _rating(self, reply: Any, content: Any) -> Rating:
        text = reply.choices[0].message.content or ""
        if reply.choices[0].finish_reason == "length" and not self.prompts.filled:
            raise ScorerAnswerError(
                f"{self.name} answered {shortened(text)} and was cut off there, before it "
                "was done. Set reading to 'reasoned', or use a model that follows the prompt."
            )
        means = whole_digits(text, self.name, adjoining=self.prompts.filled)
        logits = digit_logits(reply.choices[0].logprobs)
        if logits is None:
            read = [(mean, WHOLE_SPREAD) for mean in means]
        else:
            axes = torch.stack(expected_digits(torch.tensor(logits)), -1).tolist()
            read = [(mean, spread) for mean, spread in axes]
        return Rating(
            valence=read[0],
            arousal=read[1],
            content=_content(content),
            tokens=_tokens(reply) + _tokens(content),
            raw_text=text,
            prompt_version=self.prompts.digits,
            warnings=() if logits is not None else (NO_LOGPROBS,),
        )

    def _written(self, ask: Ask, reply: Any) -> Written:
        text = reply.choices[0].message.content or ""
        ignored = ask.schema is not None and (
            "response_format" in self.server.refused or not text.lstrip().startswith("{")
        )
        return Written(text, _tokens(reply), (NO_SCHEMA,) if ignored else ())

    def _ask_all(self, bodies: Sequence[Mapping[str, Any]], watch: Watch) -> list[Any]:
        return run_watched(
            lambda progress: send_all(self.server, bodies, progress), len(bodies), watch
        )


def data_url(image: Tensor) -> str:
    """A picture [H, W, 3] in 0..1 as a JPEG data URL, no longer than readings need."""
    stream = io.BytesIO()
    to_pil(image).save(stream, format="JPEG", quality=92)
    return data_uri(stream.getvalue(), "jpeg")


def _content(reply: Any) -> float | None:
    """Unknown where it was not asked, or where the model only thought."""
    if reply is None or not reply.choices[0].message.content:
        return None
    return yes_share(reply.choices[0].logprobs)


def _tokens(reply: Any) -> int:
    usage = getattr(reply, "usage", None)
    return int(getattr(usage, "total_tokens", 0) or 0)


def open_endpoint(
    url: str,
    model: str,
    *,
    timeout_s: float = TIMEOUT_S,
    at_once: int = AT_ONCE,
    retries: int = RETRIES,
) -> EndpointLvlm:
    """A model on a server that may be called; nothing is sent yet.

    Raises: ConfigError: a URL that is not allowed, a missing key, or no model name.
    """
    address = allowed_address(url)
    if not model.strip():
        raise ConfigError(
            f"No model is named for {address}. Most servers list theirs at {address.url}/models."
        )
    name = f"{model.strip()} at {address}"
    server = Server(address, api_key(address), name, timeout_s, retries, at_once)
    return EndpointLvlm(model.strip(), server)
