"""What every vision-language model offers behind a scorer or refiner, whoever runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..errors import ConfigError, ImageError

MAX_ASPECT = 100
"""Longer pictures are refused by the image processors of the Qwen family (at 200)."""
SMALLEST_SHARE = 0.02
NO_DIGIT_WARNING = (
    "The model hardly wants to answer with a digit here, so this reading is weak; its answer may "
    "be a refusal. Try the reading 'reasoned', or another model."
)

ProgressCallback = Callable[[int, int], None]
"""Told how much is done, and of how much, while a model works; may raise to interrupt it."""


def unwatched(done: int, total: int) -> None:
    """A `ProgressCallback` that nobody looks at."""


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The prompt files a model is asked with.

    Args:
        name: how folders name it.
        rate, answer: the rating question and the answer form that it is read from.
        digits: the rating question where only written digits come back.
        explain, refine: for written answers.
        rewrites: for several rewrites in one answer, "" where the model was not taught them.
        edit: for an instruction to an editor, "" where the model was not taught to write them.
        filled: the valence digit is filled in before arousal is read (nine branches, weighted by
            their probability); otherwise both are read in one pass with the slot left empty.
        picture_first: the picture stands before the question, as the model was taught; otherwise
            after it, so that servers keep the constant question in their prefix cache.
        short: the words of the artist's prompt that the model can take, 0 for all.
        free: written answers are never held to a schema: the model was taught a shape of its own.
        shared: it was taught feelings shared out to their two nearest digits, a spread that
            readings leave out.
        again: added to a question whose answer could not be read; "" asks only once.
        longest: tokens of a written explanation.
        top_p: of sampled answers.
        text: for the emotion of words alone, "" where the model was not taught to read them.
        choosing: of several proposals for a prompt the likeliest to win is taken.
    """

    name: str
    rate: str
    answer: str
    digits: str
    explain: str
    refine: str
    rewrites: str = ""
    edit: str = ""
    filled: bool = False
    picture_first: bool = False
    short: int = 0
    free: bool = False
    shared: bool = False
    again: str = "viewer_again_v1"
    longest: int = 768
    top_p: float = 0.9
    text: str = "viewer_text_v1"
    choosing: bool = False


PROMPT_SETS = {
    "viewer_v1": PromptSet(
        "viewer_v1",
        "viewer_rate_v1",
        "viewer_answer_v1",
        "viewer_digits_v1",
        "viewer_explain_v1",
        "viewer_refine_v1",
        "viewer_rewrites_v1",
        "viewer_edit_v1",
    ),
    "drawn_v1": PromptSet(
        "drawn_v1",
        "drawn_rate_v1",
        "drawn_answer_v1",
        "drawn_rate_v1",
        "drawn_explain_v1",
        "drawn_refine_v1",
        filled=True,
        picture_first=True,
        short=24,
        free=True,
        shared=True,
        again="",
        longest=160,
        top_p=1.0,
        text="",
        choosing=True,
    ),
}


DEFAULT_PROMPTS = "viewer_v1"
TAUGHT = "@"
"""Between a model's name on a server and that of the prompts that it was taught."""


def prompt_set(name: str) -> PromptSet:
    """A set of prompts by name.

    Raises: ConfigError: unknown.
    """
    if name not in PROMPT_SETS:
        raise ConfigError(f"The prompts are {name!r}. Known: {', '.join(PROMPT_SETS)}.")
    return PROMPT_SETS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """An expected-value reading of one picture, before calibration.

    Args:
        valence, arousal: mean and standard deviation in scale points.
        content: P(yes) that the picture shows the artist's prompt, None where it was not asked.
        tokens: read and written.
        raw_text: what the model wrote, where it had to write.
        prompt_version: the prompt file of the question.
    """

    valence: tuple[float, float]
    arousal: tuple[float, float]
    content: float | None = None
    tokens: int = 0
    raw_text: str = ""
    prompt_version: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A question about one picture, or about words alone.

    Args:
        image: [H, W, 3] float in 0..1; None asks without a picture.
        question: the user's turn.
        max_tokens: length of the answer.
        seed: None takes the likeliest token each time; a number samples with it.
        schema: JSON schema of the answer, for backends that can enforce one.
        top_logprobs: of each written token the likeliest alternatives wanted, 0 for none.
    """

    image: Tensor | None
    question: str
    max_tokens: int = 768
    seed: int | None = None
    schema: Mapping[str, Any] | None = None
    top_logprobs: int = 0


TokenLogprobs = tuple[tuple[str, float], ...]
"""Tokens with their log-probabilities at one place: the written one, then the likeliest."""


CUT_OFF = "and was cut off there, before it was done"
"""Why an answer that ended at its limit is none."""


@dataclass(frozen=True, slots=True)
class Written:
    """An answer in the model's words.

    Args:
        text: without special tokens.
        tokens: read and written.
        warnings: what the backend could not do as asked.
        unfinished: why it is no answer as it stands ("and was cut off there ..."); "" if it is.
        logprobs: of each written token, where `Ask.top_logprobs` asked a local model for them.
        cut: the answer ended at its limit.
        new_tokens: of all, those that were written, where a local model counted them.
    """

    text: str
    tokens: int
    warnings: tuple[str, ...] = ()
    unfinished: str = ""
    logprobs: tuple[TokenLogprobs, ...] = ()
    cut: bool = False
    new_tokens: int = 0


class Lvlm(Protocol):
    """A vision-language model that rates and writes."""

    @property
    def name(self) -> str:
        """Shown in readings and messages."""
        ...

    @property
    def prompts(self) -> PromptSet:
        """What it is asked with."""
        ...

    def rate(self, images: Tensor, prompt: str | None, watch: ProgressCallback) -> list[Rating]:
        """One rating a picture.

        Args:
            images: [B, H, W, 3] float in 0..1.
            prompt: the artist's, for `content`.
        Raises: ScorerError.
        """
        ...

    def write(self, asks: Sequence[Ask], watch: ProgressCallback) -> list[Written]:
        """One answer an ask. Raises: ScorerError."""
        ...

    def release(self) -> None:
        """After each use: gives memory back where that was asked for."""
        ...


def check_shape(images: Tensor, name: str) -> None:
    """Raises: ImageError: pictures [B, H, W, 3] are too long and narrow for image processors."""
    height, width = images.shape[1:3]
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise ImageError(
            f"The images are {width} x {height} pixels, more than {MAX_ASPECT} times as long as "
            f"wide; {name} cannot read such strips. Crop or pad them."
        )
