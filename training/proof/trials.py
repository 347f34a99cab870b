"""The systems that the loop's proof compares, and the drawn world's judge that measures them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from emofeedback.embedded.scorer import load_scorer
from emofeedback.reading.base import Scorer
from emofeedback.study import trials
from emofeedback.study.painters import Painter
from emofeedback.study.systems import BY_AIM, BY_BOTH, BY_ROLE, INPUT, System, refiner_of
from emofeedback.study.trials import Judge, Judged, Trial

from ..world.judge import judge
from ..world.scene import Scene
from .oracles import AIM, READER, REFINED, REFINER, JudgeScorer, KnowingPainter, KnowingRefiner

CONTENT_FLOOR = 0.5
"""No system may hand out a picture whose content the CLIP pair doubts, while it has another."""


SYSTEMS = (
    System(name="first picture", rounds=1, candidates=1),
    System(name="best of 12"),
    System(
        name="rewritten once by the LVLM, best of 12",
        refiner="embedded",
        rewrite_first=True,
        refine_rounds=False,
    ),
    System(
        name="rewritten once by rules, best of 12",
        refiner="rules",
        rewrite_first=True,
        refine_rounds=False,
    ),
    *REFINED.values(),
    System(
        name="loop, LVLM refiner, V-A input",
        refiner="embedded",
        rewrite_first=True,
        emotion_input=True,
    ),
    BY_ROLE,
    INPUT,
    BY_AIM,
    *BY_BOTH,
)
OWN_PROMPT = (
    System(name="loop from the artist's own prompt, LVLM refiner", refiner="embedded"),
    System(name="loop from the artist's own prompt, rule refiner", refiner="rules"),
)


@dataclass(frozen=True)
class Pair(trials.Pair):
    """As any study's, of a content that the judge looks for."""

    scene: Scene


def run_trial(system: System, pair: Pair) -> tuple[Trial, Tensor]:
    """Make, choose and measure; also returns the chosen picture [H, W, 3]."""
    scorer: Scorer = JudgeScorer() if system.oracle == READER else load_scorer()
    felt = pair.target if system.emotion_input else None
    paint = KnowingPainter(pair.target) if system.oracle == AIM else Painter(felt)
    own = refiner_of(system, scorer) if system.oracle == REFINER else None
    return trials.run_trial(
        system,
        pair,
        paint,
        scorer,
        judge_of(pair.scene),
        floor=CONTENT_FLOOR,
        saved=lambda: paint.saved,
        take_aim=paint.take_aim if system.emotion_input else None,
        refiner=own and KnowingRefiner(own, Painter(felt)),
    )


def judge_of(scene: Scene) -> Judge:
    """The judge, who knows what should be there."""

    def measure(images: Tensor) -> list[Judged]:
        seen = judge(images)
        return [
            Judged(
                float(seen.valence[i]),
                float(seen.arousal[i]),
                seen.places[i] == scene.place,
                seen.subjects[i] == scene.subject,
            )
            for i in range(len(images))
        ]

    return measure
