"""Which prompt each candidate of the coming round gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..records.refinement import Refinement
from ..records.request import RefineRequest
from ..refining.base import Refiner
from ..refining.cues import named_cues
from ..refining.evidence import Evidence
from ..refining.expectation import expected_gain
from ..refining.rules import tried_so_far

SHARED, ONE_EACH, SEVERAL, UNSURE = ROUTES = (
    "shared",
    "one each",
    "several at once",
    "two where unsure",
)
CLEAR = 0.02
"""Scale points that a second prompt must win beside the first one to share its round."""


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
            is "one each" with a refiner that cannot), "two where unsure" shares the round between
            the likeliest prompt and another one where that should bring the loop nearer.
        prompts: this round's, one a candidate.
        tick: called before each question of several.
    """
    if route == SHARED:
        refinement = refiner.refine(request)
        return (refinement.prompt,) * len(prompts), refinement
    if route == UNSURE:
        ranked = refiner.ranked(request)
        return _shared_round([each.prompt for each in ranked], request, len(prompts)), ranked[0]
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


def _shared_round(ranked: list[str], request: RefineRequest, count: int) -> tuple[str, ...]:
    """A round of the first prompt alone, or of it and of the one that helps it most."""
    first, *others = dict.fromkeys(ranked)
    tried = tried_so_far(request)
    evidence = Evidence.of(tried)
    best = min(tried, key=lambda each: request.target.gap_from(each.read).size)

    def gain(prompts: tuple[str, ...]) -> float:
        cues = [named_cues(prompt) for prompt in prompts]
        return expected_gain(evidence, best, cues, request.target, request.aim)

    alone = (first,) * count
    half = count // 2
    splits = [(first,) * (count - half) + (other,) * half for other in others if half]
    together = max(splits, key=gain, default=alone)
    return together if gain(together) > gain(alone) + CLEAR else alone
