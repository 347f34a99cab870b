"""What rewrites prompts, given what is connected."""

from __future__ import annotations

from ...emofeedback.errors import ScorerError
from ...emofeedback.reading.base import Scorer
from ...emofeedback.refining.base import Refiner
from ...emofeedback.refining.rules import RuleRefiner


def refiner_of(scorer: Scorer | None) -> Refiner:
    """The refiner behind a scorer's language model; without a scorer, the rules.

    Raises: ScorerError: the scorer cannot rewrite prompts.
    """
    if scorer is None:
        return RuleRefiner()
    if not hasattr(scorer, "refiner"):
        raise ScorerError(
            f"The scorer {scorer.name!r} cannot rewrite prompts. Leave the refiner input open to "
            "use the rules, or connect a scorer with a language model."
        )
    refiner: Refiner = scorer.refiner()
    return refiner
