"""Which prompt each candidate of a round gets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...emofeedback.loop.steps import refine_request
from ...emofeedback.records.refinement import (
    Refinement,
)
from ...emofeedback.records.state import LoopState
from ...emofeedback.refining.base import (
    Refiner,
)
from .bridge import stop_if_interrupted

SHARED, ONE_EACH, SEVERAL = ROUTES = ("shared", "one each", "several at once")


@dataclass(frozen=True)
class PromptPlan:
    """The prompts of a round, one a candidate.

    Args:
        route: "shared" follows the best candidate, "one each" lets every candidate go its own way,
            "several at once" asks for as many different prompts as candidates in one answer (and
            is "one each" with a refiner that cannot).
    """

    route: str
    prompts: tuple[str, ...]

    @classmethod
    def start(cls, route: str, state: LoopState) -> PromptPlan:
        """The first round: the state's prompt for all."""
        return cls(route, (state.prompt,) * state.policy.candidates)

    def refined(self, refiner: Refiner, state: LoopState) -> tuple[PromptPlan, Refinement]:
        """The next round's prompts, and the refinement that the loop records.

        Returns: the plan, and the best candidate's refinement with the cost of all.
        """
        request = refine_request(state)
        if self.route == SHARED:
            refinement = refiner.refine(request)
            return PromptPlan(self.route, (refinement.prompt,) * len(self.prompts)), refinement
        if self.route == SEVERAL and hasattr(refiner, "refine_several"):
            made = refiner.refine_several(request, len(self.prompts))
            prompts = [each.prompt for each in made]
            copies = -(-len(self.prompts) // len(prompts))  # fewer answers than candidates repeat
            return PromptPlan(self.route, tuple((prompts * copies)[: len(self.prompts)])), made[0]
        refinements = []
        for index, prompt in enumerate(self.prompts):
            stop_if_interrupted()
            refinements.append(refiner.refine(replace(request, prompt=prompt, best=index)))
        best = replace(
            refinements[request.best],
            seconds=sum(refinement.seconds for refinement in refinements),
            tokens=sum(refinement.tokens for refinement in refinements),
        )
        return PromptPlan(self.route, tuple(r.prompt for r in refinements)), best
