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


ADD_SERVER = """() => {
    app.graph.clear();
    const node = LiteGraph.createNode('EmoFB_LoadEmotionScorer');
    node.pos = [100, 100];
    app.graph.add(node);
    const kind = node.widgets.find(widget => widget.name === 'kind');
    kind.value = 'server';
    kind.callback?.('server');
    Object.assign(app.canvas.ds, {scale: 1, offset: [0, 0]});
    app.canvas.setDirty(true, true);
}"""


def test_a_usual_server_fills_the_url_and_says_whether_it_answers(canvas: Canvas) -> None:
    page = canvas.page
    page.evaluate(ADD_SERVER)
    page.get_by_label("Server", exact=True).select_option("SGLang")
    told = page.locator(".emofb-servers .emofb-note", has_text="cannot be reached")
    told.wait_for()
    assert canvas.widgets("EmoFB_LoadEmotionScorer")["kind.url"] == "http://127.0.0.1:30000/v1"
    (node,) = canvas.submitted().values()
    assert set(node["inputs"]) >= {"kind.url", "kind.wording"} and "servers" not in node["inputs"]
    canvas.shoot("servers")
    assert faults(canvas) == [] and canvas.errors == []
    page.evaluate("() => app.graph.clear()")


def test_sockets_have_colours_of_their_own_in_every_theme(canvas: Canvas) -> None:
    seen = []
    for theme in ("light", "dark"):
        canvas.page.evaluate(SET_THEME, theme)
        canvas.page.wait_for_timeout(300)
        seen.append(canvas.page.evaluate(COLOURS))
    assert seen[0] == seen[1]
    assert all(len(set(each)) == 1 for each in seen[0].values()), seen[0]
    assert len({each[0] for each in seen[0].values()}) == len(seen[0])
