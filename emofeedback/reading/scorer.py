"""Any vision-language model as a scorer: by expected value, or by reasoning in writing."""

from __future__ import annotations

import time
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import ScorerAnswerError
from ..images import check_images
from ..lvlm.answers import ReasonedAnswer, ask_twice, read_reasoned
from ..lvlm.base import Ask, Lvlm, ProgressCallback, Rating, Written, check_shape, unwatched
from ..lvlm.prompts import fill_prompt, load_prompt
from ..lvlm.schemas import REASONED_SCHEMA
from ..plane.words import nearest_words
from ..records.calibration import (
    Calibration,
)
from ..records.emotion import from_scale
from ..records.limits import check_choice
from ..records.prompt import (
    checked_prompt,
)
from ..records.reading import (
    Reading,
)
from ..refining.base import Refiner
from ..refining.lvlm import TOKEN_BUDGET, LvlmRefiner
from ..refining.proposals import ChoosingRefiner
from .base import Ability, Scorer
from .phrases import read_phrases

EXPECTED, REASONED = WAYS = ("expected value", "reasoned")
NUM_WORDS = 2
REASONED_SPREAD = 0.75
"""A written rating says nothing of its spread; this is one step of the 1..9 scale."""
UNEXPLAINED = "The model's explanation could not be read, so this reading names no cues: "


@dataclass(frozen=True, slots=True)
class _Told:
    """What a model wrote about one picture: the answer, or None and what was wrong with it."""

    answer: ReasonedAnswer | None
    text: str
    problem: str
    tokens: int
    warnings: tuple[str, ...]
    seconds: float = 0.0


class LvlmScorer(Scorer):
    """Reads pictures with a vision-language model.

    Args:
        lvlm: the model, wherever it runs.
        way: "expected value" reads the likelihood of every digit (continuous, with a spread);
            "reasoned" lets the model think in writing for each picture.
        calibration: applied to every reading and named in it.
        token_budget: of the prompts that its refiner writes.
        watch: called with pictures done and in all; may raise to interrupt.
    Raises: ConfigError: unknown way.
    """

    def __init__(
        self,
        lvlm: Lvlm,
        *,
        way: str = EXPECTED,
        calibration: Calibration | None = None,
        token_budget: int = TOKEN_BUDGET,
        watch: ProgressCallback = unwatched,
    ) -> None:
        check_choice("The way of reading", way, WAYS)
        self.lvlm, self.way, self.watch = lvlm, way, watch
        self.token_budget = token_budget
        self.name = lvlm.name
        text: AbstractSet[Ability] = {"read text"} if lvlm.prompts.text else frozenset()
        self.abilities = frozenset[Ability]({"explain", "refine"}) | text
        self.calibration = calibration or Calibration()

    def score(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """One reading a picture.

        Args:
            images: [B, H, W, 3] float in 0..1.
            prompt: what the pictures should show; with it, readings carry `content` where the
                model's logits can be read.
        Raises: ImageError: unusable images. ScorerAnswerError: a picture's written answer could
            not be read, twice. ScorerError.
        """
        images = self._checked(images)
        try:
            if self.way == REASONED:
                return [self._concluded(told) for told in self._reasoned(self._asks(images))]
            return self._expected(images, prompt)
        finally:
            self.lvlm.release()

    def explain(self, images: Tensor, *, prompt: str | None = None) -> list[Reading]:
        """As `score`, with cues, words and rationale from a written answer for each picture.

        By expected value, the emotion stays the quick one, and a written answer that cannot be
        read leaves it without cues and says so. Reasoned, both are one answer.
        """
        images = self._checked(images)
        if self.way == REASONED:
            return self.score(images, prompt=prompt)
        try:
            readings = self._expected(images, prompt)
            told = self._reasoned(self._asks(images))
        finally:
            self.lvlm.release()
        return [self._explained(*pair) for pair in zip(readings, told, strict=True)]

    def read_text(self, prompt: str) -> Reading:
        """The emotion that the most ordinary picture of a prompt would have, from words alone.

        An answer that cannot be used is asked for once more; then the phrase table reads, and the
        reading says so.

        Raises: ConfigError: the prompt is empty. ScorerError: the model failed, or it was never
            taught to "read text".
        """
        if "read text" not in self.abilities:
            return super().read_text(prompt)
        shown = " ".join(checked_prompt(prompt).split()).replace('"', "'")
        question = fill_prompt(self.lvlm.prompts.text, prompt=shown)
        try:
            (told,) = self._reasoned([Ask(None, question, schema=REASONED_SCHEMA)])
        finally:
            self.lvlm.release()
        if told.answer is None:
            read = read_phrases(prompt)
            warning = f"{self.name}: {told.problem} The phrase table read it."
            return replace(read, tokens=told.tokens, warnings=(*read.warnings, warning))
        # calibrations are fitted on pictures, and say nothing of texts
        return self._conclusion(told.answer, told, self.lvlm.prompts.text, Calibration())

    def refiner(self) -> Refiner:
        """A refiner that asks the same model, in the way that it was taught."""
        made = LvlmRefiner(self.lvlm, token_budget=self.token_budget, watch=self.watch)
        return ChoosingRefiner(made) if self.lvlm.prompts.choosing else made

    def _checked(self, images: Tensor) -> Tensor:
        images = check_images(images)
        check_shape(images, self.name)
        return images

    def _expected(self, images: Tensor, prompt: str | None) -> list[Reading]:
        started = time.perf_counter()
        ratings = self.lvlm.rate(images, (prompt or "").strip() or None, self.watch)
        seconds = (time.perf_counter() - started) / len(ratings)
        return [self._reading(rating, seconds) for rating in ratings]

    def _reading(self, rating: Rating, seconds: float) -> Reading:
        emotion, clipped = self.calibration.apply(rating.valence[0], rating.arousal[0])
        return Reading(
            emotion=emotion,
            uncertainty=self.calibration.spread(rating.valence[1], rating.arousal[1]),
            words=nearest_words(emotion, NUM_WORDS),
            raw_text=rating.raw_text,
            prompt_version=rating.prompt_version,
            model=self.name,
            calibration=self.calibration.name,
            clipped=clipped,
            content=rating.content,
            warnings=rating.warnings,
            seconds=seconds,
            tokens=rating.tokens,
        )

    def _asks(self, images: Tensor) -> list[Ask]:
        question = load_prompt(self.lvlm.prompts.explain)
        longest = self.lvlm.prompts.longest
        return [Ask(image, question, longest, schema=REASONED_SCHEMA) for image in images]

    def _reasoned(self, asks: list[Ask]) -> list[_Told]:
        """What the model wrote to each question, asked again where it could not be read."""
        started = time.perf_counter()
        first = self.lvlm.write(asks, self.watch)
        told = [self._read(ask, written) for ask, written in zip(asks, first, strict=True)]
        seconds = (time.perf_counter() - started) / len(asks)
        return [replace(each, seconds=seconds) for each in told]

    def _read(self, ask: Ask, written: Written) -> _Told:
        answers, again = [written], self.lvlm.prompts.again

        def answer_to(problem: str) -> Written:
            if problem and again:
                told = fill_prompt(again, problem=problem)
                retry = replace(ask, question=f"{ask.question}\n\n{told}", seed=1)
                answers.extend(self.lvlm.write([retry], self.watch))
            return answers[-1]

        answer, text, problem = ask_twice(answer_to, read_reasoned)
        if problem and len(answers) > 1:
            problem = f"{problem} It was asked twice."
        warnings = dict.fromkeys(warning for each in answers for warning in each.warnings)
        tokens = sum(each.tokens for each in answers)
        return _Told(answer, text, problem, tokens, tuple(warnings))

    def _concluded(self, told: _Told) -> Reading:
        """A reasoned reading.

        Raises: ScorerAnswerError: no answer could be read.
        """
        answer = told.answer
        if answer is None:
            raise ScorerAnswerError(f"{self.name}: {told.problem}")
        return self._conclusion(answer, told, self.lvlm.prompts.explain, self.calibration)

    def _conclusion(
        self, answer: ReasonedAnswer, told: _Told, prompt_version: str, calibration: Calibration
    ) -> Reading:
        emotion, clipped = calibration.apply(
            from_scale(answer.valence, "sam9"), from_scale(answer.arousal, "sam9")
        )
        return Reading(
            emotion=emotion,
            uncertainty=calibration.spread(REASONED_SPREAD, REASONED_SPREAD),
            words=answer.words or nearest_words(emotion, NUM_WORDS),
            cues=answer.cues,
            rationale=answer.rationale or answer.thought,
            raw_text=told.text,
            prompt_version=prompt_version,
            model=self.name,
            calibration=calibration.name,
            clipped=clipped,
            warnings=told.warnings,
            seconds=told.seconds,
            tokens=told.tokens,
        )

    def _explained(self, reading: Reading, told: _Told) -> Reading:
        """The quick reading with what was written about the picture."""
        spent = replace(
            reading,
            raw_text=told.text,
            prompt_version=self.lvlm.prompts.explain,
            seconds=reading.seconds + told.seconds,
            tokens=reading.tokens + told.tokens,
        )
        warnings = (*reading.warnings, *told.warnings)
        if told.answer is None:
            return replace(spent, warnings=(*warnings, UNEXPLAINED + told.problem))
        return replace(
            spent,
            words=told.answer.words or reading.words,
            cues=told.answer.cues,
            rationale=told.answer.rationale or told.answer.thought or _causes(told.answer, reading),
            warnings=tuple(dict.fromkeys(warnings)),
        )


def _causes(answer: ReasonedAnswer, reading: Reading) -> str:
    """The cues as one sentence, for models that give no reason besides."""
    if not answer.cues:
        return f"Nothing stands out; it feels {reading.emotion.category}."
    # A cue may be one thing or several: "vivid colours: raises valence" fits both.
    return "; ".join(": ".join(filter(None, (c.name, c.direction))) for c in answer.cues) + "."
