"""A graph as a picture: the node that a page is about, with what is wired to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from .graphs import Graph, links_of
from .pack import NodeFacts, Socket

SCALE = 2  # drawn larger and scaled down: PIL draws lines without smoothing
WIDTH, TITLE, ROW, PAD = 226, 28, 21, 9
MOST_TAKERS = 4
COLUMN_GAP, ROW_GAP, MARGIN = 84, 24, 22
PAPER, BODY, FIELD = "#202124", "#35373b", "#232427"
INK, FAINT, SUBJECT = "#e8e8e8", "#a3a9b0", "#e8743b"
COLOURS = {
    "MODEL": "#b39ddb", "CLIP": "#ffd500", "VAE": "#ff6e6e", "CONDITIONING": "#ffa931",
    "LATENT": "#ff9cf9", "IMAGE": "#64b5f6", "EMO_EMOTION": "#f28f3b", "EMO_SCORER": "#7fc8a9",
    "EMO_READINGS": "#9ad1f5", "EMO_STATE": "#e3b5e8",
}  # fmt: skip


@dataclass(frozen=True)
class Box:
    """A node on the picture; places in pixels before scaling."""

    facts: NodeFacts
    title: str
    values: Mapping[str, Any]
    x: float = 0
    y: float = 0

    @property
    def wired(self) -> set[str]:
        return set(links_of({"inputs": self.values}))

    @property
    def sockets(self) -> list[Socket]:
        """Inputs with a dot: links, and widgets that are wired."""
        known = [s for s in self.facts.inputs if not s.is_widget or s.name in self.wired]
        # Inputs of a choice ("kind.clip") belong to the choice, not to the node.
        inner = self.wired - {socket.name for socket in known}
        return [*known, *(Socket(name, "*") for name in sorted(inner))]

    @property
    def widgets(self) -> list[Socket]:
        """Widgets that a person sees at first: neither wired nor advanced."""
        plain = [s for s in self.facts.inputs if s.is_widget and s.name not in self.wired]
        return [s for s in plain if not (s.options or {}).get("advanced")]

    @property
    def rows(self) -> int:
        return max(len(self.sockets), len(self.facts.outputs))

    @property
    def height(self) -> float:
        return TITLE + 2 * PAD + ROW * (self.rows + len(self.widgets))

    def row(self, number: int) -> float:
        """Middle of a row of sockets, or of widgets below them."""
        return self.y + TITLE + PAD + ROW * (number + 0.5)

    def input_at(self, name: str) -> tuple[float, float]:
        return self.x, self.row([socket.name for socket in self.sockets].index(name))

    def output_at(self, number: int) -> tuple[float, float]:
        return self.x + WIDTH, self.row(number)


def draw_node(graph: Graph, facts: Mapping[str, NodeFacts], about: str) -> Image.Image:
    """The node `about` framed, its providers on the left, its takers on the right."""
    before = sorted(
        {origin for origin, _ in links_of(graph[about]).values()}, key=list(graph).index
    )
    after = [
        key
        for key, node in graph.items()
        if about in {origin for origin, _ in links_of(node).values()} and key not in before
    ]
    columns = [column for column in (before, [about], after[:MOST_TAKERS]) if column]
    return draw_columns(columns, graph, facts, about)


def draw_columns(
    columns: Sequence[Sequence[str]],
    graph: Graph,
    facts: Mapping[str, NodeFacts],
    about: str = "",
) -> Image.Image:
    """Columns of nodes by key from left to right, wired as the graph says."""
    boxes = _placed(columns, graph, facts)
    right = max(box.x + WIDTH for box in boxes.values()) + MARGIN
    bottom = max(box.y + box.height for box in boxes.values()) + MARGIN
    picture = Image.new("RGB", (round(right * SCALE), round(bottom * SCALE)), PAPER)
    draw = ImageDraw.Draw(picture)
    for box in boxes.values():
        for name, (origin, number) in links_of({"inputs": box.values}).items():
            # Within a column a wire would run backwards across the nodes.
            if origin in boxes and boxes[origin].x < box.x:
                kind = boxes[origin].facts.outputs[number].kind
                _draw_wire(draw, boxes[origin].output_at(number), box.input_at(name), kind)
    for key, box in boxes.items():
        _draw_box(draw, box, framed=key == about)
    return picture.resize((round(right), round(bottom)), Image.Resampling.LANCZOS)


def _placed(
    columns: Sequence[Sequence[str]], graph: Graph, facts: Mapping[str, NodeFacts]
) -> dict[str, Box]:
    made = [[(key, _box(key, graph, facts)) for key in column] for column in columns]
    heights = [sum(box.height + ROW_GAP for _, box in column) - ROW_GAP for column in made]
    placed = {}
    for number, (column, height) in enumerate(zip(made, heights, strict=True)):
        y = MARGIN + (max(heights) - height) / 2
        for key, box in column:
            placed[key] = replace(box, x=MARGIN + number * (WIDTH + COLUMN_GAP), y=y)
            y += box.height + ROW_GAP
    return placed


def _box(key: str, graph: Graph, facts: Mapping[str, NodeFacts]) -> Box:
    node = graph[key]
    known = facts.get(node["class_type"]) or _seen_facts(key, graph)
    return Box(known, node["_meta"]["title"], node["inputs"])


def _seen_facts(key: str, graph: Graph) -> NodeFacts:
    """What the graph itself shows of a node that nobody described."""
    node = graph[key]
    used = [n for other in graph.values() for o, n in links_of(other).values() if o == key]
    inputs = tuple(
        Socket(name, "*" if name in links_of(node) else "STRING") for name in node["inputs"]
    )
    outputs = tuple(Socket("", "*") for _ in range(max(used, default=-1) + 1))
    return NodeFacts(node["class_type"], node["_meta"]["title"], inputs, outputs)


def _draw_box(draw: ImageDraw.ImageDraw, box: Box, *, framed: bool) -> None:
    corners = _scaled(box.x, box.y, box.x + WIDTH, box.y + box.height)
    frame: dict[str, Any] = {"outline": SUBJECT, "width": 3 * SCALE} if framed else {}
    draw.rounded_rectangle(corners, 8 * SCALE, fill=BODY, **frame)
    line = _scaled(box.x + 8, box.y + TITLE, box.x + WIDTH - 8, box.y + TITLE)
    draw.line(line, fill=PAPER, width=SCALE)
    _write(draw, (box.x + 12, box.y + TITLE / 2), box.title, INK, WIDTH - 24)
    half = WIDTH / 2 - 14
    for number, socket in enumerate(box.sockets):
        _draw_dot(draw, (box.x, box.row(number)), socket.kind)
        name = socket.name.rsplit(".", 1)[-1]
        _write(draw, (box.x + 11, box.row(number)), name, FAINT, half)
    for number, socket in enumerate(box.facts.outputs):
        _draw_dot(draw, (box.x + WIDTH, box.row(number)), socket.kind)
        _write(draw, (box.x + WIDTH - 11, box.row(number)), socket.name, FAINT, half, "rm")
    for number, socket in enumerate(box.widgets, box.rows):
        _draw_widget(draw, box, number, socket)


def _draw_widget(draw: ImageDraw.ImageDraw, box: Box, number: int, socket: Socket) -> None:
    middle = box.row(number)
    field = (box.x + 10, middle - ROW / 2 + 1, box.x + WIDTH - 10, middle + ROW / 2 - 1)
    draw.rounded_rectangle(_scaled(*field), 5 * SCALE, fill=FIELD)
    value = box.values.get(socket.name, socket.default)
    text = f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())
    _write(draw, (box.x + 16, middle), socket.name, FAINT, 96)
    room = WIDTH - 40 - min(96, _font().getlength(socket.name) / SCALE)
    _write(draw, (box.x + WIDTH - 16, middle), text, INK, room, "rm")


def _draw_dot(draw: ImageDraw.ImageDraw, at: tuple[float, float], kind: str) -> None:
    x, y = at
    draw.ellipse(_scaled(x - 5, y - 5, x + 5, y + 5), fill=COLOURS.get(kind, FAINT))


def _draw_wire(
    draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], kind: str
) -> None:
    reach = max(40.0, abs(end[0] - start[0]) / 2)
    points = []
    for step in range(33):
        t = step / 32
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        xs = (start[0], start[0] + reach, end[0] - reach, end[0])
        ys = (start[1], start[1], end[1], end[1])
        points.append(_scaled(_dot(weights, xs), _dot(weights, ys)))
    draw.line(points, fill=COLOURS.get(kind, FAINT), width=round(2.4 * SCALE), joint="curve")


def _dot(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    ink: str,
    room: float,
    anchor: str = "lm",
) -> None:
    font = _font()
    if font.getlength(text) > room * SCALE:
        while text and font.getlength(f"{text}…") > room * SCALE:
            text = text[:-1]
        text = f"{text}…"
    draw.text((at[0] * SCALE, at[1] * SCALE), text, fill=ink, font=font, anchor=anchor)


def _scaled(*numbers: float) -> tuple[float, ...]:
    return tuple(number * SCALE for number in numbers)


@cache
def _font() -> ImageFont.FreeTypeFont:
    folder = f"{matplotlib.get_data_path()}/fonts/ttf"
    return ImageFont.truetype(f"{folder}/DejaVuSans.ttf", round(12.5 * SCALE))
