"""Ratings from next-token logits, for any tokenizer: where an answer is read, over which tokens.

An answer form is text with slots, `Valence: <valence>; arousal: <arousal>`, that the model is shown
as its own begun answer. The logits just before a slot say how likely each of its labels is, so one
forward pass rates every axis, as the `decision` pipeline of transformers does with a mark a
question. Attention runs backwards only, so nothing after a slot (the artist's prompt, for one) can
move what is read there.

Tokenizers disagree on spaces and digits: " 5" may be one token or two, "57" one or two. So the
labels are encoded after their text, and what all of them share is read before the slot.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import Template

import torch
from torch import Tensor

from ..errors import ImageError, ScorerError
from ..records.emotion import from_scale
from .prompts import load_prompt

Encode = Callable[[str], list[int]]

NUM_DIGITS = 9
DIGITS = tuple(str(digit) for digit in range(1, NUM_DIGITS + 1))
LABELS: dict[str, tuple[str, ...]] = {
    "valence": DIGITS,
    "arousal": DIGITS,
    "content": ("yes", "no"),
}
SHARED = 0.75 / math.sqrt(6)
"""Standard deviation, in scale points, of a feeling shared out to the two nearest digits (0.75
apart): f (1 - f) of a squared digit for a fraction f, a sixth on average."""
SMALLEST_SPREAD = 0.1
_SLOT = re.compile(r"<(valence|arousal|content)>")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where an answer is read.

    Args:
        name: "valence", "arousal" or "content".
        token_ids: the tokens from the slot before (or the begin of the answer) up to this one.
        label_ids: one token a label, in the labels' order.
    """

    name: str
    token_ids: tuple[int, ...]
    label_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """An answer form as one tokenizer sees it.

    Args:
        version: the prompt file it was made from.
        slots: valence, arousal and, where a prompt was given, content.
    """

    version: str
    slots: tuple[Slot, ...]

    @property
    def token_ids(self) -> list[int]:
        """All tokens of the form, up to the last slot."""
        return [token for slot in self.slots for token in slot.token_ids]

    @property
    def positions(self) -> list[int]:
        """How many tokens before the end of the form each slot is read: 1 for the last one."""
        after = [sum(len(s.token_ids) for s in self.slots[i + 1 :]) for i in range(len(self.slots))]
        return [count + 1 for count in after]


def answer_form(version: str, encode: Encode, *, prompt: str | None = None) -> AnswerForm:
    """The slots of an answer prompt for one tokenizer.

    Args:
        version: name of the prompt file.
        encode: text to token ids, without special tokens and with none hidden in the text.
        prompt: the artist's; without it the content slot is left out.
    Raises: ScorerError: the tokenizer gives no token to each label.
    """
    pieces = _SLOT.split(load_prompt(version))
    slots = []
    for text, name in zip(pieces[::2], pieces[1::2]):  # the text after the last slot is not needed
        if name == "content" and prompt is None:
            break
        shown = Template(text).safe_substitute(prompt=_one_line(prompt or ""))
        slots.append(read_slot(name, shown, encode))
    return AnswerForm(version, tuple(slots))


def read_slot(name: str, text: str, encode: Encode) -> Slot:
    """Where the labels of a slot part after the text before it.

    Raises: ScorerError: two labels begin with the same token, as where the tokenizer knows no
        digits.
    """
    labels = LABELS[name]
    encoded = [encode(text + label) for label in labels]
    shared = _shared_length(encoded)
    first = [ids[shared] if len(ids) > shared else -1 for ids in encoded]
    if len(set(first)) != len(labels) or -1 in first:
        raise ScorerError(
            f"This model's tokenizer has no separate tokens for {', '.join(labels)} (it reads "
            f"{text + labels[0]!r} as {encoded[0][-4:]}), so {name} cannot be read from its "
            "logits. Set reading to 'reasoned', or use another model."
        )
    return Slot(name, tuple(encoded[0][:shared]), tuple(first))


def label_logits(logits: Tensor, slot: Slot) -> tuple[Tensor, Tensor]:
    """Logits of a slot's labels, and the share of all probability that they hold.

    Args: logits [..., vocabulary] at the slot. Returns: [..., labels] and [...] in 0..1.
    """
    whole = logits.float()
    chosen = whole[..., list(slot.label_ids)]
    return chosen, (chosen.logsumexp(-1) - whole.logsumexp(-1)).exp()


def yes_probability(logits: Tensor) -> Tensor:
    """P(yes) from the logits of ("yes", "no"): [..., 2] -> [...]."""
    return torch.softmax(logits.float(), -1)[..., 0]


def _shared_length(sequences: Sequence[Sequence[int]]) -> int:
    for index, tokens in enumerate(zip(*sequences, strict=False)):
        if len(set(tokens)) > 1:
            return index
    return min(len(sequence) for sequence in sequences)


def _one_line(prompt: str) -> str:
    """The prompt as a quotable line: it cannot close its quotes."""
    return " ".join(prompt.split()).replace('"', "'")


def expected_digits(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of a 1..9 rating from the logits of its nine numerals, on [-3, 3].

    Args:
        logits: [..., 9], numerals 1 to 9 in order.
    Returns: mean [...] and standard deviation [...], both in scale points.
    Raises: ImageError: the logits hold NaN, as they do for a broken picture.
    """
    if torch.isnan(logits).any():
        raise ImageError("The scorer's logits are NaN for this picture; check its pixel values.")
    levels = torch.tensor(
        [from_scale(digit, "sam9") for digit in range(1, NUM_DIGITS + 1)],
        dtype=torch.float32,
        device=logits.device,
    )
    weights = logits.float().softmax(-1)
    mean = (weights * levels).sum(-1)
    variance = (weights * (levels - mean.unsqueeze(-1)).square()).sum(-1)
    return mean, variance.sqrt()


def without_sharing(spread: Tensor) -> Tensor:
    """The spread of a feeling alone, in scale points: its digits add what two neighbours share."""
    return (spread.square() - SHARED**2).clamp_min(SMALLEST_SPREAD**2).sqrt()
