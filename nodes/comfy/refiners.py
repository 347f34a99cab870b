"""What rewrites prompts, given what is connected."""

from __future__ import annotations

from ...emofeedback.reading.base import Scorer
from ...emofeedback.refining.base import Refiner
from ...emofeedback.refining.rules import RuleRefiner


def refiner_of(scorer: Scorer | None) -> Refiner:
    """The refiner behind a scorer's language model; without a scorer, the rules.

    Raises: ScorerError: the scorer cannot rewrite prompts.
    """
    refiner: Refiner = RuleRefiner() if scorer is None else scorer.refiner()
    return refiner
