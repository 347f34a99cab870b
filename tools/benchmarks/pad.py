"""What the pad costs the page: first paint and frames while dragging, with and without it.

`python -m tools.benchmarks.pad [REPEATS]` prints ratios as JSON, from interleaved repeats on one
page, so that a busy machine slows both alike. Needs what `python start.py test` installs.

With: the Emotion Target with its pad, dragged over the pad. Without: the same node with the pad
taken off, dragged over the same stretch of the canvas's own number widget.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

from launcher.comfyui import ensure_tree
from launcher.places import Places
from tools.browser import Canvas, chromium, make_server, open_canvas

# A new node, and the milliseconds until the frame after the one that shows it.
PAINT = """async pad => {
    app.graph.clear();
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    const start = performance.now();
    const node = LiteGraph.createNode('EmoFB_EmotionTarget');
    if (!pad) node.removeWidget(node.widgets.find(widget => widget.name === 'pad'));
    app.graph.add(node);
    node.pos = [200, 200];
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [0, 0];
    app.canvas.setDirty(true, true);
    await frame();
    await frame();
    return performance.now() - start;
}"""
# Sixty moves, one a frame; returns the milliseconds of each frame.
DRAG = """async pad => {
    const node = app.graph.nodes[0], times = [];
    const plane = document.querySelector('.emofb-plane');
    const box = plane?.getBoundingClientRect();
    const pointer = (kind, x, y) => plane.dispatchEvent(new PointerEvent(kind, {
        bubbles: true, cancelable: true, pointerId: 1, button: 0, clientX: x, clientY: y}));
    if (pad) pointer('pointerdown', box.x + 5, box.y + 5);
    for (let step = 0; step < 60; step++) {
        const start = performance.now();
        if (pad) pointer('pointermove', box.x + 5 + step * 2, box.y + 5 + step * 2);
        else {
            const widget = node.widgets[0];
            widget.value = step * 0.05 - 1.5;
            widget.callback?.(widget.value);
            app.canvas.setDirty(true, true);
        }
        await new Promise(requestAnimationFrame);
        times.push(performance.now() - start);
    }
    if (pad) pointer('pointerup', box.x + 5, box.y + 5);
    return times;
}"""


def measure(canvas: Canvas, repeats: int) -> dict[str, float]:
    """Median ratios with : without, over interleaved repeats."""
    paints: dict[bool, list[float]] = {True: [], False: []}
    frames: dict[bool, list[float]] = {True: [], False: []}
    for repeat in range(repeats + 1):
        for pad in (True, False):
            paint = canvas.page.evaluate(PAINT, pad)
            times = canvas.page.evaluate(DRAG, pad)
            if repeat:  # the first of each warms the page up
                paints[pad].append(paint)
                frames[pad].extend(times)
    return {
        "first_paint": round(statistics.median(paints[True]) / statistics.median(paints[False]), 3),
        "frame_while_dragging": round(
            statistics.median(frames[True]) / statistics.median(frames[False]), 3
        ),
    }


def main(repeats: int) -> None:
    tree, found = ensure_tree(Places.from_environment()), {}
    with (
        tempfile.TemporaryDirectory() as folder,
        make_server(tree, Path(folder)) as server,
        chromium() as browser,
    ):
        for nodes_2 in (False, True):
            with open_canvas(browser, server, nodes_2=nodes_2) as canvas:
                found[canvas.mode] = measure(canvas, repeats)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
