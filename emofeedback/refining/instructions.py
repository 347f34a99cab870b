"""Instructions to a model that edits a picture, in the place of prompts that describe one.

Every round edits the artist's own picture anew, so an instruction holds the whole change, and the
first one is written with that picture in view.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..records.reading import Reading
from ..records.refinement import Refinement
from ..records.request import RefineRequest
from .base import Refiner
from .cues import FAMILIES
from .kept_words import phrases_in, with_clause

SHOW = "show it"
"""Before phrases of the cue table, which name what is seen: "show it under a starry sky"."""
_TABLE = frozenset(
    phrase for family in FAMILIES.values() for level in family for phrase in level.phrases
)


class InstructionRefiner(Refiner):
    """Has another refiner write instructions.

    Args:
        refiner: writes; a language model is asked for instructions, the rules' phrases become one.
        original: [1, H, W, 3] float in 0..1, the picture that every round edits.
        reading: of the original.
    """

    def __init__(self, refiner: Refiner, original: Tensor, reading: Reading) -> None:
        self.refiner, self.original, self.reading = refiner, original, reading
        self.name = refiner.name

    def refine(self, request: RefineRequest) -> Refinement:
        """The next instruction, behind the artist's own words. Raises: as the other refiner."""
        return _as_instruction(self.refiner.refine(self._asked(request)), request)

    def _asked(self, request: RefineRequest) -> RefineRequest:
        """Before there is an edit, the picture that is edited stands for it."""
        if not request.blind:
            return replace(request, edits=True)
        read = (self.reading,)
        return replace(request, edits=True, images=self.original, readings=read, best=0)


def _as_instruction(made: Refinement, request: RefineRequest) -> Refinement:
    phrases = phrases_in(made.clause)
    if not phrases or phrases[0].lower() not in _TABLE:
        return made
    clause = f"{SHOW} {made.clause}"
    return replace(made, clause=clause, prompt=with_clause(request.artist_prompt, clause))
