"""What every refiner offers, whoever writes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..records.refinement import Refinement
from ..records.request import RefineRequest


@runtime_checkable
class Refiner(Protocol):
    """Turns readings into suggestions and the next prompt."""

    name: str

    def refine(self, request: RefineRequest) -> Refinement:
        """Raises: ScorerError: the model behind it failed."""
        ...
