"""The loop as a piece of the artist's graph: which nodes belong to a round, and one more round.

ComfyUI 0.30 has no loop nodes. A round is repeated by expansion: the end returns a copy of the
nodes between the open node and itself, with the state as a literal. Output nodes that hang off the
round without feeding the end (previews, saves) are copied too; alone, they would run only once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from comfy_execution.graph import DynamicPrompt
from comfy_execution.graph_utils import GraphBuilder, Node, is_link

from ...emofeedback.errors import LoopError
from ...emofeedback.records.state import LoopState
from ..widgets.names import (
    END_LOOP,
    REFINE_PROMPT,
    REFINE_ROUND,
    SCORE_EMOTION,
    SCORE_ROUND,
    START_LOOP,
)

START, OPEN, END = "EmoFB_StartLoop", "EmoFB_OpenRound", "EmoFB_EndLoop"
SCORE = "EmoFB_ScoreRound"
ALL_IN_ONE = "EmoFB_EmotionFeedback"
OPENING = {START, OPEN}
LOOP_CLASSES = {*OPENING, END, ALL_IN_ONE}


class LoopGraph:
    """Who feeds whom in the prompt as it stands now, copies of earlier rounds included."""

    def __init__(self, dynprompt: DynamicPrompt) -> None:
        self.dynprompt = dynprompt
        self.children: dict[str, list[str]] = {}
        for node_id in sorted(dynprompt.all_node_ids()):
            for parent in self.parents(node_id):
                self.children.setdefault(parent, []).append(node_id)

    def inputs(self, node_id: str) -> dict[str, Any]:
        """The node's links and literals by input name."""
        return dict(self.dynprompt.get_node(node_id).get("inputs", {}))

    def parents(self, node_id: str) -> list[str]:
        """Ids of the nodes linked into this one, each once."""
        links = [value[0] for value in self.inputs(node_id).values() if is_link(value)]
        return list(dict.fromkeys(links))

    def class_of(self, node_id: str) -> str:
        """The node's class id."""
        return _class(self.dynprompt, node_id)

    def title(self, node_id: str) -> str:
        """How messages name a node, by the id shown on the canvas."""
        return f"{self.class_of(node_id)} #{self.dynprompt.get_display_node_id(node_id)}"

    def downstream(self, node_id: str, *, without: Iterable[str] = ()) -> set[str]:
        """Every node fed by this one, itself left out; the walk does not enter `without`."""
        blocked, found, todo = set(without), set(), [node_id]
        while todo:
            for child in self.children.get(todo.pop(), ()):
                if child not in found and child not in blocked:
                    found.add(child)
                    todo.append(child)
        return found

    def upstream(self, node_id: str) -> set[str]:
        """Every node that feeds this one, itself left out."""
        found: set[str] = set()
        todo = [node_id]
        while todo:
            for parent in self.parents(todo.pop()):
                if parent not in found and self.dynprompt.has_node(parent):
                    found.add(parent)
                    todo.append(parent)
        return found

    def ends_of(self, open_id: str) -> list[str]:
        """The End Emotion Loop nodes whose start link comes from this open node."""
        return [
            child
            for child in self.children.get(open_id, ())
            if self.class_of(child) == END and _feeds(open_id, self.inputs(child).get("start"))
        ]


def shown_loop(dynprompt: DynamicPrompt, node_id: str) -> str | None:
    """Display id of the node that shows the loop in which a node runs, None outside of loops.

    That is the all-in-one node itself, and else the nearest end down the links.
    """
    if _class(dynprompt, node_id) in (END, ALL_IN_ONE):
        return str(dynprompt.get_display_node_id(node_id))
    graph, seen, todo = LoopGraph(dynprompt), {node_id}, deque([node_id])
    while todo:
        for child in graph.children.get(todo.popleft(), ()):
            if graph.class_of(child) == END:
                return str(dynprompt.get_display_node_id(child))
            if child not in seen:
                seen.add(child)
                todo.append(child)
    return None


def check_loop(graph: LoopGraph, open_id: str) -> set[str]:
    """The nodes of a round, as `round_nodes` tells them, of a loop that is closed exactly once.

    Raises: LoopError: no End Emotion Loop, more than one, or a round that cannot be repeated.
    """
    ends = graph.ends_of(open_id)
    if not ends:
        raise LoopError(
            f"{graph.title(open_id)} has no {END_LOOP}. Add the node {END_LOOP} and connect the "
            f"state output of {START_LOOP} to its start input; or use {SCORE_EMOTION} and "
            f"{REFINE_PROMPT}, which work without a loop."
        )
    if len(ends) > 1:
        names = ", ".join(graph.title(end) for end in ends)
        raise LoopError(
            f"{graph.title(open_id)} is closed by {len(ends)} {END_LOOP} nodes ({names}). Keep "
            f"one; for a second loop add a second {START_LOOP}."
        )
    return round_nodes(graph, open_id, ends[0])


def open_node(graph: LoopGraph, start: Any) -> str:
    """The open node behind End Emotion Loop's raw start link.

    Raises: LoopError: the link comes from something else.
    """
    if is_link(start) and graph.class_of(start[0]) in OPENING:
        return str(start[0])
    found = graph.title(start[0]) if is_link(start) else repr(start)
    raise LoopError(
        f"{END_LOOP}'s start input is connected to {found}. Connect it directly to the state "
        f"output of {START_LOOP}, so that {END_LOOP} knows where a round begins."
    )


def round_nodes(graph: LoopGraph, open_id: str, end_id: str) -> set[str]:
    """The nodes to copy for one more round, without the open node and without End Emotion Loop.

    Raises: LoopError: the state does not come through the loop, or another loop lies inside.
    """
    body = graph.downstream(open_id) & graph.upstream(end_id)
    state_link = graph.inputs(end_id).get("state")
    if state_link is None or not is_link(state_link) or state_link[0] not in body:
        raise LoopError(
            f"{END_LOOP}'s state input does not come from this loop's {SCORE_ROUND} or "
            f"{REFINE_ROUND}. Wire the state: {START_LOOP}, {SCORE_ROUND}, {REFINE_ROUND}, "
            f"{END_LOOP}."
        )
    after_end = graph.downstream(end_id)
    beside = graph.downstream(open_id, without={end_id}) - after_end - body
    leaves = {node_id for node_id in beside if _is_output(graph.class_of(node_id))}
    side = set(leaves)
    for leaf in leaves:
        side |= graph.upstream(leaf) & beside
    nested = sorted(n for n in body | side if graph.class_of(n) in LOOP_CLASSES)
    if nested:
        raise LoopError(
            f"{graph.title(nested[0])} lies inside the loop of {graph.title(open_id)}. Nested "
            "loops are not possible: place one loop after the other, or use more rounds."
        )
    return body | side


@dataclass(frozen=True, slots=True)
class Round:
    """The nodes between which a round's pictures are made."""

    open_id: str
    score_id: str
    end_id: str


def round_of(graph: LoopGraph, open_id: str) -> Round:
    """The round that an open node opens.

    Raises: LoopError: the loop is not closed once, or not read by exactly one Score Round.
    """
    body = check_loop(graph, open_id)
    scores = sorted(node_id for node_id in body if graph.class_of(node_id) == SCORE)
    if len(scores) != 1:
        raise LoopError(
            f"{graph.title(open_id)}'s round is read by {len(scores)} nodes of {SCORE_ROUND}."
        )
    return Round(open_id, scores[0], graph.ends_of(open_id)[0])


def drawing_outputs(graph: LoopGraph, this: Round) -> frozenset[int]:
    """Which outputs of the open node serve nothing but the pictures of the round.

    None where a list runs through the loop: one of its rounds may have to be drawn.
    """
    if any(gives_lists(graph.class_of(node_id)) for node_id in graph.upstream(this.open_id)):
        return frozenset()
    beyond = {this.end_id, *graph.downstream(this.end_id)}
    reached = {output: _reached(graph, this, output) for output in range(1, _num_outputs(OPEN))}
    return frozenset(output for output, nodes in reached.items() if nodes and not nodes & beyond)


def _reached(graph: LoopGraph, this: Round, output: int) -> set[str]:
    """What one output of the open node feeds, but for Score Round by what is drawn."""
    found: set[str] = set()
    todo = [this.open_id]
    while todo:
        node_id = todo.pop()
        for child in graph.children.get(node_id, ()):
            links = {name for name, link in graph.inputs(child).items() if _feeds(node_id, link)}
            if node_id == this.open_id:
                links = {name for name in links if graph.inputs(child)[name][1] == output}
            if child == this.score_id:
                links -= {"images", "latents"}
            if links and child not in found:
                found.add(child)
                todo.append(child)
    return found


def wired_results(dynprompt: DynamicPrompt) -> frozenset[int]:
    """Which outputs of End Emotion Loop feed something, of all loops of the prompt together.

    A loop that another node's expansion has brought may feed that one's outputs: all count then.
    """
    ids = {node for node in dynprompt.all_node_ids() if _class(dynprompt, node) == END}
    parents = [dynprompt.get_parent_node_id(node_id) for node_id in ids]
    if any(parent is not None and parent not in ids for parent in parents):
        return frozenset(range(_num_outputs(END)))
    nodes = map(dynprompt.get_node, dynprompt.all_node_ids())
    links = (value for node in nodes for value in node.get("inputs", {}).values() if is_link(value))
    return frozenset(link[1] for link in links if link[0] in ids)


def gives_lists(class_type: str) -> bool:
    """Whether a node of the class makes others run once for each of several values."""
    return any(getattr(node_class(class_type), "OUTPUT_IS_LIST", None) or ())


def sampler_steps(graph: LoopGraph, nodes: Iterable[str]) -> int:
    """Sampler steps a picture that the nodes announce in a `steps` widget, 0 where none does."""
    found = (graph.inputs(node_id).get("steps") for node_id in nodes)
    return sum(steps for steps in found if isinstance(steps, int))


def next_round(
    graph: LoopGraph, open_id: str, end_id: str, body: set[str], state: LoopState
) -> tuple[list[Any], dict[str, Any]]:
    """One more round: the links that End Emotion Loop's outputs become, and the copied nodes."""
    builder = GraphBuilder()
    copies: dict[str, Node] = {}
    for number, node_id in enumerate([open_id, end_id, *sorted(body)]):
        # Numbers, which do not grow from round to round: ids may hold dots, as those of copies do,
        # so that no part of one tells it from another.
        kind = OPEN if node_id == open_id else graph.class_of(node_id)
        copies[node_id] = builder.node(kind, str(number))
        copies[node_id].set_override_display_id(graph.dynprompt.get_display_node_id(node_id))
    for node_id, copy in copies.items():
        if node_id == open_id:
            # A literal: as a link, every round would re-evaluate all earlier ones where nothing
            # is cached.
            copy.set_input("state", state)
            continue
        for name, value in graph.inputs(node_id).items():
            linked = is_link(value) and value[0] in copies
            copy.set_input(name, copies[value[0]].out(value[1]) if linked else value)
    outputs = _num_outputs(END)
    return [copies[end_id].out(index) for index in range(outputs)], builder.finalize()


def _class(dynprompt: DynamicPrompt, node_id: str) -> str:
    return str(dynprompt.get_node(node_id)["class_type"])


def _feeds(node_id: str, link: Any) -> bool:
    return bool(is_link(link) and link[0] == node_id)


def node_class(class_type: str) -> Any:
    """The class behind a node of the graph."""
    from nodes import NODE_CLASS_MAPPINGS  # ComfyUI's own module of that name

    return NODE_CLASS_MAPPINGS[class_type]


def _is_output(class_type: str) -> bool:
    return getattr(node_class(class_type), "OUTPUT_NODE", False) is True


def _num_outputs(class_type: str) -> int:
    return len(node_class(class_type).RETURN_TYPES)
