"""The rules in place of a refiner that answered, but with nothing that can be used."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ScorerAnswerError
from ..records.refinement import Refinement
from ..records.request import RefineRequest
from .base import Refiner
from .rules import RuleRefiner


class RulesInstead(Refiner):
    """Refines as another refiner does; the rules write where its answer cannot be used.

    Args:
        refiner: asked first.
    """

    def __init__(self, refiner: Refiner) -> None:
        self.name, self.several = refiner.name, refiner.several
        self._refiner = refiner

    def refine(self, request: RefineRequest) -> Refinement:
        """Raises: ScorerError: the refiner cannot be asked."""
        try:
            return self._refiner.refine(request)
        except ScorerAnswerError as error:
            return self._by_rules(request, error)

    def ranked(self, request: RefineRequest) -> list[Refinement]:
        """As `refine`, likeliest first."""
        try:
            return self._refiner.ranked(request)
        except ScorerAnswerError as error:
            return [self._by_rules(request, error)]

    def refine_several(self, request: RefineRequest, count: int) -> list[Refinement]:
        """As `refine`, at most `count` different prompts."""
        try:
            return self._refiner.refine_several(request, count)
        except ScorerAnswerError as error:
            return [self._by_rules(request, error)]

    def _by_rules(self, request: RefineRequest, error: ScorerAnswerError) -> Refinement:
        made = RuleRefiner().refine(request)
        told = f"{self.name} wrote no prompt: {error} The rule refiner wrote it."
        name = f"{made.refiner} (for {self.name})"
        return replace(made, refiner=name, warnings=(*made.warnings, told))
