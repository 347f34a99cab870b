"""What every refiner offers, whoever writes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..records.refinement import Refinement
from ..records.request import RefineRequest


@runtime_checkable
class Refiner(Protocol):
    """Turns readings into suggestions and the next prompt."""

    name: str
    several: bool = False
    """Whether one call can bring several different prompts."""

    def refine(self, request: RefineRequest) -> Refinement:
        """Raises: ScorerError: the model behind it failed."""
        ...

    def ranked(self, request: RefineRequest) -> list[Refinement]:
        """Next prompts that may be right, likeliest first; `refine` gives the first of them.

        One, where the refiner has nothing to choose among.
        """
        return [self.refine(request)]

    def refine_several(self, request: RefineRequest, count: int) -> list[Refinement]:
        """At most `count` different next prompts; one, where there are not `several`."""
        del count
        return [self.refine(request)]
