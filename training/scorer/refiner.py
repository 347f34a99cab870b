"""Stage `refiner`: GRPO of the rewriting of prompts (R3-Refiner's finding, arXiv 2605.19639).

Models see what is wrong with a picture and cannot write what would mend it. The reward of a
rewriting is how far the expected gap of the next pictures falls, which the drawn world knows
without drawing; `python -m training.proof rewriting --refiner RUN/scorer` checks it by drawing.
An answer of another form, and one that takes the artist's words back, is worth the least.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emofeedback.errors import ConfigError, ScorerAnswerError
from emofeedback.lvlm.answers import read_rewrite
from emofeedback.lvlm.base import Ask, unwatched
from emofeedback.lvlm.prompts import fill_prompt
from emofeedback.lvlm.schemas import REFINE_SCHEMA
from emofeedback.records.emotion import LIMIT
from emofeedback.refining.cues import UNNAMED, content_effect, named_cues
from emofeedback.refining.kept_words import fitting_clause, phrases_in, with_clause
from emofeedback.refining.lvlm import signed
from emofeedback.refining.rules import MAX_CLAUSE_WORDS

from ..settings.config import TrainConfig
from ..settings.scorer import ScorerConfig
from ..world.captions import neutral_prompt
from ..world.scene import sample_scene
from .data import drawing, prompts_of
from .grpo import grpo, load_scorer_model, lora_of, save_trained
from .lasting import finished
from .measure import HELD_OUT_SEED, first_gaps, report, trained_lvlm
from .rewards import text_of
from .together import Together, together
from .trl_settings import trl_settings

log = logging.getLogger(__name__)
READING_ERROR = 0.3
"""Of the wanted change on each axis, in scale points: a scorer stands between picture and gap."""
GATE = -1.0
"""What an answer is worth that cannot be used, in scale points."""


@dataclass(frozen=True)
class Rewriting:
    """A picture, its prompt, and where the next one shall be."""

    open: Callable[[], Any]
    """Gives the PIL picture."""
    prompt: str
    """The artist's own."""
    target: tuple[float, float]
    content: tuple[float, float]
    """What place and subject have of their own."""
    change: tuple[float, float]
    """As the model is told it."""


def drawn_rewritings(count: int, *, seed: int, split: str, side: int) -> list[Rewriting]:
    """Pictures of the drawn world with targets all over the plane.

    Args:
        side: of the pictures in pixels.
    """
    found = []
    for index in range(count):
        random = np.random.default_rng((seed, index, 15))
        scene = sample_scene(random, split=split)
        target = random.uniform(-LIMIT, LIMIT, 2)
        change = target - np.asarray(scene.emotion) + random.normal(0, READING_ERROR, 2)
        found.append(
            Rewriting(
                partial(drawing, scene, side),
                neutral_prompt(scene, random),
                (float(target[0]), float(target[1])),
                content_effect(scene.place, scene.subject),
                (float(change[0]), float(change[1])),
            )
        )
    return found


def question_of(rewriting: Rewriting, config: ScorerConfig) -> str:
    """As the refiner asks in a loop."""
    valence, arousal = (signed(value) for value in rewriting.change)
    prompts = prompts_of(config)
    return fill_prompt(prompts.refine, prompt=rewriting.prompt, valence=valence, arousal=arousal)


def refiner_rows(examples: Sequence[Rewriting], config: ScorerConfig) -> list[dict[str, Any]]:
    """The dataset as TRL wants it, with the columns of `expected_fall`."""
    return [
        {
            "prompt": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image"},
                        {"type": "text", "text": question_of(example, config)},
                    ],
                }
            ],
            "image": example.open,
            "artist": example.prompt,
            "target": list(example.target),
            "content": list(example.content),
        }
        for example in examples
    ]


def expected_gap(prompt: str, target: Sequence[float], content: Sequence[float]) -> float:
    """Root mean square gap size of the world's pictures of a prompt, in scale points.

    Args:
        content: effect of place and subject.
    """
    levels = named_cues(prompt)
    felt = np.sum([content, *((level.valence, level.arousal) for level in levels)], axis=0)
    unnamed = [UNNAMED[level.family].variance for level in levels if not level.name]
    missing = np.asarray(target) - felt.clip(-LIMIT, LIMIT)
    return float(np.sqrt((missing**2).sum() + np.sum(unnamed)))


def usable_clause(text: str, artist: str) -> str | None:
    """The clause of an answer that may stand behind the artist's words; None where none may."""
    try:
        clause = read_rewrite(text).clause
    except ScorerAnswerError:
        return None
    fitting = fitting_clause(clause, artist, MAX_CLAUSE_WORDS)
    return fitting if phrases_in(fitting) == phrases_in(clause) else None


def expected_fall(
    completions: Sequence[Any],
    artist: Sequence[str],
    target: Sequence[Sequence[float]],
    content: Sequence[Sequence[float]],
    **_: Any,
) -> list[float]:
    """How far the expected gap falls by each rewriting, at least `GATE`; TRL's form."""
    rewards = []
    for completion, prompt, *place in zip(completions, artist, target, content, strict=True):
        clause = usable_clause(text_of(completion), prompt)
        if clause is None:
            rewards.append(GATE)
            continue
        before, after = (
            expected_gap(each, *place) for each in (prompt, with_clause(prompt, clause))
        )
        rewards.append(max(before - after, GATE))
    return rewards


def train_refiner(config: TrainConfig, folder: Path | None) -> None:
    """Train, measure on held-out pictures, and write `folder/scorer`.

    Args:
        folder: None in all processes but the first.
    Raises: ConfigError: a model or settings that the drawn world cannot reward.
        MissingDependencyError, CheckpointError. KeyboardInterrupt: a signal came.
    """
    with together(folder) as (among, shared):
        if not finished(config, shared):
            _train(config, shared, among)


def _train(config: TrainConfig, folder: Path, among: Together) -> None:
    # refused here rather than after minutes of measuring
    told = trl_settings(config, folder, processes=among.processes.count)
    scorer = config.scorer
    for name in ("path", "data", "supervised_steps", "reward_weights"):
        if value := getattr(scorer, name):
            raise ConfigError(
                f"scorer.{name} is {value!r}, but stage refiner rewards the embedded model in the "
                "drawn world alone: leave it out."
            )
    model, processor = load_scorer_model(scorer)
    side = trained_lvlm(model, processor, scorer).processor.side
    examples = drawn_rewritings(scorer.pictures, seed=config.seed, split="train", side=side)
    held_out = drawn_rewritings(scorer.held_out, seed=HELD_OUT_SEED, split="held_out", side=side)
    before = None
    if held_out:
        before = first_gaps(
            folder, among, lambda: held_out_gaps(model, processor, held_out, scorer, among)
        )
    asked = refiner_rows(examples, scorer)
    learner = grpo(
        config, told, model, processor, asked, [expected_fall], lora_of(scorer), folder, among
    )  # fmt: skip
    trained = learner.merge_and_unload()
    if among.first:
        save_trained(trained, processor, scorer, folder / "scorer")
    if before is not None:
        after = held_out_gaps(trained, processor, held_out, scorer, among)
        if among.first:
            report(before, after, folder, "expected gap after rewriting")


def held_out_gaps(
    model: Any, processor: Any, examples: Sequence[Rewriting], config: ScorerConfig, among: Together
) -> np.ndarray:
    """[N, 1] expected gap after the likeliest answer; of the old prompt where it cannot be used."""
    lvlm = trained_lvlm(model.eval(), processor, config)

    def gap(example: Rewriting) -> list[float]:
        image = torch.from_numpy(np.array(example.open())).float() / 255
        ask = Ask(
            image,
            question_of(example, config),
            max_tokens=config.max_completion_length,
            seed=None,
            schema=REFINE_SCHEMA,
        )
        clause = usable_clause(lvlm.write([ask], unwatched)[0].text, example.prompt)
        prompt = with_clause(example.prompt, clause or "")
        return [expected_gap(prompt, example.target, example.content)]

    return among.measured(examples, gap, "held-out rewritings")
