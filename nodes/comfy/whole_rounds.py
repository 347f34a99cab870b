"""A round is read once: of pictures that come as a list, each would begin a loop of its own."""

from __future__ import annotations

import weakref

from comfy_execution.utils import get_executing_context
from torch import Tensor, equal

from ...emofeedback.errors import LoopError
from ...emofeedback.records.state import LoopState
from ..widgets.names import SCORE_ROUND


class WholeRounds:
    """The pictures that a node has read last, while they live."""

    def __init__(self) -> None:
        self._read: tuple[tuple[str, str, str], weakref.ref[Tensor]] | None = None

    def check(self, state: LoopState, images: Tensor) -> None:
        """Notes the pictures of a state's coming round.

        Raises: LoopError: the node, going through a list, met others for the same round before.
        """
        context = get_executing_context()
        if context is None:
            return
        key, before = (context.prompt_id, context.node_id, state.digest), self._read
        self._read = key, weakref.ref(images)
        if not context.list_index or before is None or before[0] != key:
            return
        others = before[1]()
        if others is None or (others.shape == images.shape and equal(others, images)):
            return  # a list of equal targets asks for equal loops
        raise LoopError(
            f"{SCORE_ROUND} gets the pictures of round {state.coming_round} one by one, as a "
            "list. Make them one batch: put Rebatch Images before it, with a batch_size of "
            f"{state.policy.candidates} or more."
        )


WHOLE_ROUNDS = WholeRounds()
"""Of the prompt that runs now."""
