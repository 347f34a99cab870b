"""What is wrong with the workflow that a page shows, by the rectangles and curves of the page.

Nodes that overlap or leave their frame, texts that are cut, wires that run behind a node which
they do not join. Lengths are in units of the canvas.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ..browser import AT_REST, Canvas
from .layout import Box

TOUCH = 3.0  # borders and rounding
INSIDE = 1.0

# The classic canvas draws nodes itself; in Nodes 2.0 each is an element, left out while far away.
NODES = """() => {
    const {scale, offset} = app.canvas.ds, page = app.canvas.canvas.getBoundingClientRect();
    return app.graph.nodes.map(node => {
        const name = `${node.title} #${node.id}`, element =
            document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect();
        if (element?.width > 20)
            return [node.id, name, (element.x - page.x) / scale - offset[0],
                (element.y - page.y) / scale - offset[1],
                element.width / scale, element.height / scale];
        return [node.id, name, node.pos[0], node.pos[1] - 30, node.size[0], node.size[1] + 30];
    });
}"""
FRAMES = "() => app.graph.groups.map(frame => [frame.title, ...frame.pos, ...frame.size])"
# Parts of elements that hold text and do not show all of it. Lists that scroll by themselves, as
# the story of a loop does, show that there is more.
CUT_ELEMENTS = """() => [
    ...document.querySelectorAll('[data-node-id], .dom-widget')].flatMap(root =>
    [root, ...root.querySelectorAll('*')].filter(part => {
        const style = getComputedStyle(part);
        const holdsText = part.matches('textarea') || [...part.childNodes].some(
            child => child.nodeType === 3 && child.textContent.trim());
        if (!holdsText || !part.clientHeight || style.display === 'inline'
            || style.visibility === 'hidden' || part.closest('svg, option, .emofb-words')
            || part.matches('.comfy-markdown:not(.editing) > textarea'))
            return false;
        return part.scrollHeight > part.clientHeight + 1
            || part.scrollWidth > part.clientWidth + 1;
    }).map(part => `${part.tagName} in node ${root.dataset.nodeId ?? '?'}: `
        + `${part.scrollWidth}x${part.scrollHeight} in ${part.clientWidth}x${part.clientHeight}: `
        + (part.value ?? part.textContent).trim().slice(0, 60)))"""
# ComfyUI shortens what is too long for a node with an ellipsis: seen by drawing each node apart.
CUT_ON_CANVAS = """() => {
    const {ds} = app.canvas, kept = ds.scale, found = [];
    const context = document.createElement('canvas').getContext('2d');
    ds.scale = 1;
    for (const node of app.graph.nodes) {
        context.fillText = (text) => {
            if (/…$/.test(text)) found.push(`canvas in node ${node.id}: ${text}`);
        };
        app.canvas.drawNode(node, context);
        context.font = '14px Arial';
        if (context.measureText(node.title).width > node.size[0] - 40)
            found.push(`title of node ${node.id}: ${node.title}`);
    }
    ds.scale = kept;
    app.canvas.setDirty(true, true);
    return found;
}"""
# Points of every wire: its curves are kept where ComfyUI draws them.
WIRES = """() => {
    if (!window.curves) {
        window.curves = new WeakMap();
        for (const kind of ['moveTo', 'lineTo', 'bezierCurveTo']) {
            const before = Path2D.prototype[kind];
            Path2D.prototype[kind] = function (...values) {
                if (!window.curves.has(this)) window.curves.set(this, []);
                window.curves.get(this).push(values);
                return before.apply(this, values);
            };
        }
    }
    app.canvas.draw(true, true);
    const at = (points, t) => points.length === 1 ? points[0]
        : at(points.slice(1).map(([x, y], i) =>
            [points[i][0] + t * (x - points[i][0]), points[i][1] + t * (y - points[i][1])]), t);
    const sampled = path => {
        const [start, ...steps] = window.curves.get(path) ?? [];
        let from = start;
        return steps.flatMap(values => {
            const points = [from];
            for (let i = 0; i < values.length; i += 2) points.push([values[i], values[i + 1]]);
            from = points.at(-1);
            return Array.from({length: 20}, (_, i) => at(points, (i + 0.5) / 20));
        });
    };
    return [...app.graph.links.values()].map(link => {
        const chain = [];
        for (let id = link.parentId; id !== undefined; id = app.graph.reroutes.get(id).parentId)
            chain.unshift(app.graph.reroutes.get(id).path);
        return [link.origin_id, link.target_id, [...chain, link.path].flatMap(sampled)];
    });
}"""


def faults(canvas: Canvas) -> list[str]:
    """What is wrong, a line each, at the zoom that the page has now."""
    page = canvas.page
    page.evaluate(AT_REST)
    rows = page.evaluate(NODES)
    names = {row[0]: row[1] for row in rows}
    boxes = {row[0]: Box(*row[2:]) for row in rows}
    found = [
        f"{names[a]} and {names[b]} overlap by {width:.0f} x {height:.0f}"
        for a, b in combinations(boxes, 2)
        for width, height in [_overlap(boxes[a], boxes[b])]
        if width > TOUCH and height > TOUCH
    ]
    for title, *place in page.evaluate(FRAMES):
        found += [
            f"{names[i]} leaves the frame {title!r} by {out:.0f}"
            for i, box in boxes.items()
            if (out := _out_of(box, Box(*place))) > TOUCH
        ]
    found += page.evaluate(CUT_ELEMENTS)
    if canvas.mode == "classic":
        found += page.evaluate(CUT_ON_CANVAS)
    return found


def hidden_wires(canvas: Canvas) -> list[str]:
    """Wires that run behind a third node; the page must show the whole workflow.

    Raises: ValueError: the page drew no curve for some wire.
    """
    boxes = {row[0]: (row[1], Box(*row[2:])) for row in canvas.page.evaluate(NODES)}
    found = []
    for source, target, points in canvas.page.evaluate(WIRES):
        if len(points) < 20:
            raise ValueError(f"The page drew no wire from node {source} to node {target}.")
        behind = {
            name
            for point in points
            for node, (name, box) in boxes.items()
            if node not in (source, target) and box.holds(point, -INSIDE)
        }
        found += [f"a wire from node {source} to {target} runs behind {name}" for name in behind]
    return found


def _overlap(a: Box, b: Box) -> tuple[float, float]:
    return (
        min(a.x + a.width, b.x + b.width) - max(a.x, b.x),
        min(a.y + a.height, b.y + b.height) - max(a.y, b.y),
    )


def _out_of(box: Box, frame: Box) -> float:
    """How far a node reaches out of a frame that holds its middle, 0 if another one does."""
    if not frame.holds((box.x + box.width / 2, box.y + box.height / 2)):
        return 0.0
    return max(
        *(frame.x - box.x, frame.y - box.y),
        box.x + box.width - frame.x - frame.width,
        box.y + box.height - frame.y - frame.height,
    )


def note_in_view(canvas: Canvas) -> dict[str, Any]:
    """The zoom, and how far the note's edges lie inside the page's canvas, in pixels."""
    return dict(canvas.page.evaluate(NOTE))


NOTE = """() => {
    const note = app.graph.nodes.find(node => node.type === 'MarkdownNote');
    const {scale, offset} = app.canvas.ds, page = app.canvas.canvas.getBoundingClientRect();
    const left = (note.pos[0] + offset[0]) * scale, top = (note.pos[1] - 30 + offset[1]) * scale;
    return {scale, left, top, right: page.width - left - note.size[0] * scale,
        bottom: page.height - top - (note.size[1] + 30) * scale};
}"""
