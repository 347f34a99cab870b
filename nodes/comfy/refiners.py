"""What rewrites prompts, given what is connected."""

from __future__ import annotations

from ...emofeedback.reading.base import Scorer
from ...emofeedback.refining.base import Refiner
from ...emofeedback.refining.rules import RuleRefiner


def refiner_of(scorer: Scorer | None) -> Refiner:
    """The refiner behind a scorer's language model; the rules where there is none."""
    if scorer is None or "refine" not in scorer.abilities:
        return RuleRefiner()
    return scorer.refiner()
