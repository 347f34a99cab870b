"""Written answers held to their JSON schema while a model writes them, token by token.

llguidance (an optional package) says which tokens may follow; a thought between <think> and
</think> may come first and is free, but short enough to leave room for the answer. Texts and lists
are bounded too, since a model that never closes a quote would never conclude.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .answers import MAX_ENTRIES

log = logging.getLogger(__name__)
OPENED, CLOSED = "<think>", "</think>"
THOUGHT_SHARE = 0.5
"""Of the answer's tokens, at most, that a thought may take."""
MOST_CHARACTERS = 240
_SPACED = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@dataclass(frozen=True)
class AnswerShapes:
    """What a tokenizer's answers can be held to.

    Args:
        tokenizer: llguidance's view of it, which takes a second or two to make: keep it.
    """

    tokenizer: Any

    def answer(
        self, schema: Mapping[str, Any], *, max_tokens: int, thinking: bool = False
    ) -> ShapedAnswer:
        """Follows one answer of at most `max_tokens` tokens.

        Args: thinking: the chat template has opened a thought already.
        """
        from llguidance import LLMatcher

        grammar = LLMatcher.grammar_from_lark(
            self._grammar(schema, int(max_tokens * THOUGHT_SHARE), thinking)
        )
        return ShapedAnswer(LLMatcher(self.tokenizer, grammar))

    def _grammar(self, schema: Mapping[str, Any], thought_tokens: int, thinking: bool) -> str:
        opened, closed = (self._mark(mark) for mark in (OPENED, CLOSED))
        shape = {**bounded(schema), "x-guidance": _SPACED}
        return "\n".join(
            [
                f"start: {'thought' if thinking else f'({opened} thought)?'} GAP answer",
                f"thought: text {closed}",
                f"text[max_tokens={max(1, thought_tokens)}]: /(?s:[^<]*)/",
                "GAP: /[ \\n]{0,2}/",
                f"answer: %json {json.dumps(shape)}",
            ]
        )

    def _mark(self, mark: str) -> str:
        """A mark as grammars name it: by its token where it is a special one, else as text."""
        tokens = self.tokenizer.tokenize_str(mark, parse_special=True)
        special = len(tokens) == 1 and self.tokenizer.is_special_token(tokens[0])
        return f"<[{tokens[0]}]>" if special else json.dumps(mark)


class ShapedAnswer:
    """One answer as it grows; called with (ids, scores), a logits processor of transformers.

    Should the model ever write what could not follow, it is left alone from there on: the reader
    of answers decides what can be understood.
    """

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher
        self._held = not matcher.is_error()
        self._begun = False
        if not self._held:
            log.warning("Answers are not held to their JSON schema: %s", matcher.get_error()[:300])

    def allowed(self, logits: Tensor) -> Tensor:
        """The logits [1, vocabulary] of the next token, -inf where it cannot follow."""
        if not self._held:
            return logits
        barred = torch.from_numpy(np.frombuffer(self._matcher.compute_logit_bias(), np.uint8) == 0)
        barred = barred[: logits.shape[-1]]  # tokenizers may know more tokens than their model
        return logits.masked_fill(barred.to(logits.device), float("-inf"))

    def take(self, token: int) -> None:
        """Tells what was written."""
        self._held = self._held and self._matcher.consume_token(token)

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        """The scores [1, vocabulary] of what may follow the tokens [1, length]."""
        if self._begun:
            self.take(int(ids[0, -1]))
        self._begun = True
        return self.allowed(scores)


def answer_shapes(tokenizer: Any, *, vocabulary: int, stops: Sequence[int]) -> AnswerShapes | None:
    """The shapes of a tokenizer's answers; None where they cannot be enforced.

    That is so without llguidance, and for a tokenizer that is not one of the tokenizers library.

    Args:
        tokenizer: of transformers, or a holder of one of the tokenizers library.
        vocabulary: number of logits.
        stops: tokens that end an answer.
    """
    backend: Any = getattr(tokenizer, "backend_tokenizer", getattr(tokenizer, "tokenizer", None))
    if not hasattr(backend, "to_str") or not stops:
        return None
    try:
        from llguidance import LLTokenizer
    except ImportError:
        return None
    size = max(vocabulary, backend.get_vocab_size(with_added_tokens=True))
    try:
        return AnswerShapes(LLTokenizer(backend.to_str(), n_vocab=size, eos_token=list(stops)))
    except Exception as error:  # noqa: BLE001  its Rust part raises kinds of its own
        log.warning("Answers cannot be held to a JSON schema with this tokenizer: %s", error)
        return None


def bounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema whose texts and lists have an end."""
    limited = {key: _bounded(value) for key, value in schema.items()}
    if schema.get("type") == "string" and "enum" not in schema:
        limited.setdefault("maxLength", MOST_CHARACTERS)
    if schema.get("type") == "array":
        limited.setdefault("maxItems", MAX_ENTRIES)
    return limited


def _bounded(value: Any) -> Any:
    return bounded(value) if isinstance(value, Mapping) else value
