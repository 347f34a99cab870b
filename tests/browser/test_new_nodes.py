"""Our nodes as they come out of the node library: texts in full, sockets of their own colours."""

import pytest

from tools.browser import Canvas
from tools.workflows.measure import faults

pytestmark = pytest.mark.browser

ADD_ALL = """() => {
    app.graph.clear();
    const ours = Object.keys(LiteGraph.registered_node_types).filter(t => t.startsWith('EmoFB_'));
    ours.forEach((type, index) => {
        const node = LiteGraph.createNode(type);
        node.pos = [(index % 8) * 700, Math.floor(index / 8) * 1900];
        app.graph.add(node);
    });
    return ours.length;
}"""
COLOURS = """() => Object.fromEntries(
    ['EMO_EMOTION', 'EMO_SCORER', 'EMO_READINGS', 'EMO_STATE'].map(type => [type, [
        app.canvas.default_connection_color_byType[type],
        app.canvas.constructor.link_type_colors[type],
        getComputedStyle(document.getElementById('graph-canvas'))
            .getPropertyValue(`--color-datatype-${type}`)]]))"""
SET_THEME = "theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)"


def test_a_new_node_of_any_kind_shows_its_texts_in_full(canvas: Canvas) -> None:
    assert canvas.page.evaluate(ADD_ALL) > 25
    canvas.fit()
    assert faults(canvas) == []
    canvas.shoot("new-nodes")
    canvas.page.evaluate("() => app.graph.clear()")
    assert canvas.errors == []


def test_sockets_have_colours_of_their_own_in_every_theme(canvas: Canvas) -> None:
    seen = []
    for theme in ("light", "dark"):
        canvas.page.evaluate(SET_THEME, theme)
        canvas.page.wait_for_timeout(300)
        seen.append(canvas.page.evaluate(COLOURS))
    assert seen[0] == seen[1]
    assert all(len(set(each)) == 1 for each in seen[0].values()), seen[0]
    assert len({each[0] for each in seen[0].values()}) == len(seen[0])
