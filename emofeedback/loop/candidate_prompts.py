"""Which prompt each candidate of the coming round gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..records.refinement import Refinement
from ..records.request import RefineRequest
from ..refining.base import Refiner

SHARED, ONE_EACH, SEVERAL = ROUTES = ("shared", "one each", "several at once")


def refined_prompts(
    route: str,
    refiner: Refiner,
    request: RefineRequest,
    prompts: tuple[str, ...],
    *,
    tick: Callable[[], object] = lambda: None,
) -> tuple[tuple[str, ...], Refinement]:
    """The next round's prompts, and the best candidate's refinement with the cost of all.

    Args:
        route: "shared" follows the best candidate, "one each" lets every candidate go its own way,
            "several at once" asks for as many different prompts as candidates in one answer (and
            is "one each" with a refiner that cannot).
        prompts: this round's, one a candidate.
        tick: called before each question of several.
    """
    if route == SHARED:
        refinement = refiner.refine(request)
        return (refinement.prompt,) * len(prompts), refinement
    if route == SEVERAL and refiner.several:
        made = refiner.refine_several(request, len(prompts))
        found = tuple(each.prompt for each in made)
        copies = -(-len(prompts) // len(found))  # fewer answers than candidates repeat
        return (found * copies)[: len(prompts)], made[0]
    refinements = []
    for index, prompt in enumerate(prompts):
        tick()
        refinements.append(refiner.refine(replace(request, prompt=prompt, best=index)))
    best = replace(
        refinements[request.best],
        seconds=sum(refinement.seconds for refinement in refinements),
        tokens=sum(refinement.tokens for refinement in refinements),
    )
    return tuple(refinement.prompt for refinement in refinements), best
