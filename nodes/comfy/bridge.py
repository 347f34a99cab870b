"""What the nodes need from ComfyUI itself: interrupts, progress on visible nodes, round times."""

from __future__ import annotations

import time
from collections import OrderedDict

import comfy.model_management
from comfy_execution.graph import DynamicPrompt
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context


def stop_if_interrupted() -> None:
    """Raises ComfyUI's interrupt if the user asked for it; call between costly steps."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def running_node_id() -> str | None:
    """Id of the node that is running, None outside a graph.

    Read from the execution context: asking for the hidden unique id would tie the node's cache
    signature to its place in the graph.
    """
    context = get_executing_context()
    return None if context is None else context.node_id


def running_prompt() -> DynamicPrompt:
    """The prompt that is asked or runs now, with what was added to it meanwhile."""
    return get_progress_state().dynprompt


def visible_node_id() -> str | None:
    """The node on the artist's canvas that the running node stands for, None outside a graph."""
    node_id = running_node_id()
    if node_id is None:
        return None
    return str(get_progress_state().dynprompt.get_display_node_id(node_id))


def show_loop_progress(value: int, most: int, text: str) -> None:
    """Shows a bar and a line of text on the visible node, which is still at work.

    Meant for End Emotion Loop: its copies finish round by round while the node on the canvas waits.
    """
    node_id = visible_node_id()
    if node_id is not None:
        get_progress_state().update_progress(node_id, value, most)
        show_text(text)


def show_text(text: str) -> None:
    """Shows text on the visible node; silent where nobody looks."""
    from server import PromptServer  # late: in-process use has no server module loaded

    node_id, server = visible_node_id(), getattr(PromptServer, "instance", None)
    if server is not None and node_id is not None and server.client_id is not None:
        server.send_progress_text(text, node_id, server.client_id)


class RoundClock:
    """When each round began, by prompt and state digest.

    A state may come from ComfyUI's cache, long after it was made; only rounds that were opened
    within the running prompt have a time.
    """

    def __init__(self, size: int = 256) -> None:
        self._started: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._size = size

    def start(self, digest: str) -> None:
        """Notes that the round after this state begins now."""
        self._started[self._prompt_id(), digest] = time.perf_counter()
        while len(self._started) > self._size:
            self._started.popitem(last=False)

    def seconds(self, digest: str) -> float:
        """Seconds since the round began, 0 where unknown."""
        started = self._started.get((self._prompt_id(), digest))
        return 0.0 if started is None else time.perf_counter() - started

    @staticmethod
    def _prompt_id() -> str:
        context = get_executing_context()
        return "" if context is None else context.prompt_id


CLOCK = RoundClock()
"""Of the rounds that run now."""
