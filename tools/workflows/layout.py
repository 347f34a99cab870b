"""Lays a workflow file out anew: nodes in columns, frames that fit, wires that go round nodes.

Drawn roughly in ComfyUI and saved, a file says what it means: nodes with about the same left edge
are a column, from top to bottom, and belong to the frame that holds their middle; a note stands
outside of the frames, in the first column. Sizes stay as they are, or grow to the least that a
node needs. A wire that would run behind a node is led above all of them, by reroutes.

Lengths are in units of the canvas, y downwards; a node's `pos` is the corner below its title bar.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Workflow = dict[str, Any]
Point = tuple[float, float]

TITLE = 30  # a node's title bar
SAME_COLUMN = 60  # left edges within this are a column
COLUMN_GAP = 110  # room for steep wires
ROW_GAP = 26
FRAME_PAD, FRAME_TITLE, FRAME_GAP = 30, 46, 26
LANE = 22  # between wires above the nodes
TURN = 40  # where a wire turns into its lane, from the column's edge
CLEARANCE = 8  # of wires from nodes
SAMPLES = 40
STEEP = 350  # from here on a wire turns upwards beside its node
SLOT, WIDGET = 20, 24  # heights of rows of a node

# The view on a screen of 1366 x 768: the page covers this much at the left and the top.
ZOOM, LEFT, ABOVE = 0.9, 84, 100
NOTE_WIDTH = 380
# What a node needs in either render mode, its result after a run included; the rest knows itself.
LEAST_SIZES = {
    "EmoFB_EmotionTarget": (300, 480),
    "EmoFB_EmotionFeedback": (400, 1644),
    "EmoFB_StartLoop": (280, 568),
    "EmoFB_EndLoop": (380, 840),
    "EmoFB_EmotionPath": (320, 250),
    "PreviewAny": (360, 200),
    "SaveImage": (330, 370),
    "VAEDecode": (230, 60),
    "MarkdownNote": (NOTE_WIDTH, 0),
}
FILE_NAMES = 400  # width of a node that shows names of model files
LETTER = 9  # of a title, at most


@dataclass(frozen=True)
class Box:
    """A node with its title bar."""

    x: float
    y: float
    width: float
    height: float

    def holds(self, point: Point, margin: float = 0.0) -> bool:
        """Whether a point lies inside, or within `margin` of it."""
        return (
            self.x - margin < point[0] < self.x + self.width + margin
            and self.y - margin < point[1] < self.y + self.height + margin
        )


@dataclass(frozen=True)
class Wire:
    """A link, with the columns of the nodes that it joins and the ends of its curve."""

    link: int
    source: int
    slot: int
    target: int
    columns: tuple[int, int]
    ends: tuple[Point, Point]


@dataclass(frozen=True)
class Lane:
    """A wire's place above the nodes, counted from the top, between two columns."""

    number: int
    first: int
    last: int


def lay_out(workflow: Workflow) -> None:
    """Moves nodes, frames and wires, and sets the view that the file opens with.

    Raises: ValueError: a wire leads to its own column or back; the message names its nodes.
    """
    frames, columns = _frames(workflow), _columns(workflow["nodes"])
    _widen(frames, columns)
    lanes: dict[tuple[int, int], Lane] = {}
    for _ in range(2):  # lanes need the nodes' places, and these the number of lanes
        _place(workflow, frames, columns, list(lanes.values()))
        wires = list(_wires(workflow, columns))
        long = [wire for wire in wires if _is_hidden(workflow, wire)]
        lanes = _lanes(long)
    _lead(workflow, columns, long, lanes, _top(list(lanes.values())) + FRAME_TITLE)
    _open_on_note(workflow)


def boxes(workflow: Workflow) -> dict[int, Box]:
    """Where each node is, by its id."""
    return {
        node["id"]: Box(node["pos"][0], node["pos"][1] - TITLE, node["size"][0],
                        node["size"][1] + TITLE)
        for node in workflow["nodes"]
    }  # fmt: skip


def curve(start: Point, end: Point) -> Iterator[Point]:
    """Points on the curve that ComfyUI draws from an output to an input."""
    reach = math.dist(start, end) / 4
    handles = ((start[0] + reach, start[1]), (end[0] - reach, end[1]))
    for step in range(1, SAMPLES):
        t = step / SAMPLES
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        yield tuple(  # type: ignore[misc]
            sum(w * point[axis] for w, point in zip(weights, (start, *handles, end), strict=True))
            for axis in (0, 1)
        )


def _frames(workflow: Workflow) -> list[tuple[dict[str, Any], set[int]]]:
    """Each frame with the nodes whose middle it holds, uppermost first."""
    found = []
    for frame in sorted(workflow.get("groups", []), key=lambda frame: frame["bounding"][1]):
        area = Box(*frame["bounding"])
        held = {
            node_id
            for node_id, box in boxes(workflow).items()
            if area.holds((box.x + box.width / 2, box.y + box.height / 2))
        }
        found.append((frame, held))
    return found


def _columns(nodes: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The nodes by their left edges, each column from top to bottom."""
    columns: list[list[dict[str, Any]]] = []
    edge = -math.inf
    for node in sorted(nodes, key=lambda node: node["pos"][0]):
        if node["pos"][0] - edge > SAME_COLUMN:
            columns.append([])
            edge = node["pos"][0]
        columns[-1].append(node)
    return [sorted(column, key=lambda node: node["pos"][1]) for column in columns]


def _widen(
    frames: list[tuple[dict[str, Any], set[int]]], columns: list[list[dict[str, Any]]]
) -> None:
    """Gives nodes the least size that they need, and those below each other the same width."""
    for column in columns:
        for node in column:
            width, height = LEAST_SIZES.get(node["type"], (0, 0))
            files = FILE_NAMES if "models" in node["properties"] else 0
            title = LETTER * len(node.get("title", "")) + 2 * TITLE
            node["size"] = [max(node["size"][0], width, files, title), max(node["size"][1], height)]
        for _, held in frames:
            together = [node for node in column if node["id"] in held]
            widest = max((node["size"][0] for node in together), default=0)
            for node in together:
                node["size"][0] = widest


def _place(
    workflow: Workflow,
    frames: list[tuple[dict[str, Any], set[int]]],
    columns: list[list[dict[str, Any]]],
    lanes: list[Lane],
) -> None:
    edges, x = [], 0.0
    for column in columns:
        edges.append(x)
        x += max(node["size"][0] for node in column) + COLUMN_GAP
    top = _top(lanes)
    floors = [top] * len(columns)
    framed: set[int] = set()
    for frame, held in frames:
        framed |= held
        mine = [i for i, column in enumerate(columns) if any(n["id"] in held for n in column)]
        spanned = range(min(mine), max(mine) + 1)
        above = max(floors[i] for i in spanned)
        passing = [n.number + 1 for n in lanes for i in spanned if n.first < i < n.last]
        room = LANE * max(passing, default=0) if above == top else 0
        first = above + FRAME_TITLE + TITLE + room
        bottom = max(
            _stack([n for n in columns[i] if n["id"] in held], edges[i], first) for i in mine
        )
        for i in spanned:
            floors[i] = bottom + FRAME_PAD + FRAME_GAP
        width = max(node["size"][0] for node in columns[spanned[-1]] if node["id"] in held)
        left = edges[spanned[0]] - FRAME_PAD
        right = edges[spanned[-1]] + width + FRAME_PAD
        frame["bounding"] = [left, above, right - left, bottom + FRAME_PAD - above]
    for edge, column in zip(edges, columns, strict=True):
        _stack([node for node in column if node["id"] not in framed], edge, top + TITLE)
    workflow["nodes"].sort(key=lambda node: node["id"])


def _top(lanes: list[Lane]) -> float:
    """The upper edge of the uppermost frames, so that nodes below all lanes start at 0."""
    return -(TITLE + FRAME_TITLE + LANE * (max((lane.number for lane in lanes), default=-1) + 1))


def _stack(nodes: list[dict[str, Any]], x: float, y: float) -> float:
    """Puts nodes below each other; returns where the last one ends."""
    for node in nodes:
        node["pos"] = [x, y]
        y += node["size"][1] + ROW_GAP + TITLE
    return y - ROW_GAP - TITLE


def _wires(workflow: Workflow, columns: list[list[dict[str, Any]]]) -> Iterator[Wire]:
    nodes = {node["id"]: node for node in workflow["nodes"]}
    column_of = {node["id"]: i for i, column in enumerate(columns) for node in column}
    for link, source, slot, target, socket, _ in workflow["links"]:
        between = (column_of[source], column_of[target])
        if between[1] <= between[0]:
            raise ValueError(
                f"{nodes[source]['type']} #{source} feeds {nodes[target]['type']} #{target}, "
                "which is not to the right of it: move it into a column of its own."
            )
        start, end = nodes[source], nodes[target]
        ends = (
            (start["pos"][0] + start["size"][0], start["pos"][1] + SLOT * (slot + 0.7)),
            (end["pos"][0], end["pos"][1] + _input_height(end, socket)),
        )
        yield Wire(link, source, slot, target, between, ends)


def _input_height(node: dict[str, Any], socket: int) -> float:
    """How far below the title an input's dot is; a widget's dot is beside the widget."""
    entry = node["inputs"][socket]
    plain = [other for other in node["inputs"] if "widget" not in other]
    if "widget" not in entry:
        return SLOT * (plain.index(entry) + 0.7)
    rows = max(len(plain), len(node["outputs"]))
    widgets = [other for other in node["inputs"] if "widget" in other]
    return SLOT * rows + WIDGET * (widgets.index(entry) + 0.5)


def _is_hidden(workflow: Workflow, wire: Wire) -> bool:
    """Whether the straight way runs behind, or close to, a node that it does not join."""
    others = [box for i, box in boxes(workflow).items() if i not in (wire.source, wire.target)]
    return any(box.holds(point, CLEARANCE) for point in curve(*wire.ends) for box in others)


def _lanes(long: list[Wire]) -> dict[tuple[int, int], Lane]:
    """A lane for each output that needs one, by node and slot; long ways lie on top."""
    reach: dict[tuple[int, int], int] = {}
    starts = {(wire.source, wire.slot): wire.columns[0] for wire in long}
    for wire in long:
        key = (wire.source, wire.slot)
        reach[key] = max(wire.columns[1], reach.get(key, 0))
    lanes: dict[tuple[int, int], Lane] = {}
    for key in sorted(reach, key=lambda key: (starts[key] - reach[key], key)):
        first, last = starts[key], reach[key]
        taken = {o.number for o in lanes.values() if o.first <= last and first <= o.last}
        number = next(number for number in range(len(reach)) if number not in taken)
        lanes[key] = Lane(number, first, last)
    return lanes


def _lead(
    workflow: Workflow,
    columns: list[list[dict[str, Any]]],
    long: list[Wire],
    lanes: dict[tuple[int, int], Lane],
    top: float,
) -> None:
    """Writes the reroutes: where an output joins its lane, and at each column that it serves."""
    chain = _Reroutes()
    for key, lane in sorted(lanes.items()):
        served = sorted((w for w in long if (w.source, w.slot) == key), key=lambda w: w.columns)
        y = top + LANE * lane.number
        column = columns[lane.first]
        edge = max(node["pos"][0] + node["size"][0] for node in column)
        start = served[0].ends[0]
        links = [wire.link for wire in served]
        at = None
        if start[1] - y > STEEP:
            at = chain.add(None, (edge + TURN / 2, start[1]), links)
        at = chain.add(at, (edge + TURN, y), links)
        for wire in served:
            further = [w.link for w in served if w.columns[1] >= wire.columns[1]]
            place = (columns[wire.columns[1]][0]["pos"][0] - TURN, y)
            at = chain.add(at, place, further)
            last, end = at, wire.ends[1]
            if end[1] - y > STEEP:
                last = chain.add(at, (end[0] - TURN / 2, end[1]), [wire.link])
            chain.parents.append({"id": wire.link, "parentId": last})
    extra = workflow.setdefault("extra", {})
    for name, value in (("reroutes", chain.found), ("linkExtensions", chain.parents)):
        extra.pop(name, None)
        if value:
            extra[name] = value


class _Reroutes:
    """Reroutes as a workflow file holds them, and which one each link comes from."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self.parents: list[dict[str, int]] = []

    def add(self, parent: int | None, pos: Point, links: list[int]) -> int:
        """A reroute behind another one, the same one again where a place is served twice."""
        for old in self.found:
            if old["pos"] == list(pos) and old.get("parentId", parent) == parent:
                return int(old["id"])
        before = {} if parent is None else {"parentId": parent}
        self.found.append({"id": len(self.found) + 1, **before, "pos": list(pos), "linkIds": links})
        return len(self.found)


def _open_on_note(workflow: Workflow) -> None:
    note = min(workflow["nodes"], key=lambda node: (node["pos"][0], node["pos"][1]))
    offset = [LEFT / ZOOM - note["pos"][0], ABOVE / ZOOM - note["pos"][1] + TITLE]
    workflow.setdefault("extra", {})["ds"] = {"scale": ZOOM, "offset": offset}
