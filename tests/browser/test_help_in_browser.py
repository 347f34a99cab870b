"""What the page shows of the pack besides its nodes: help, the blueprint, graphs in pictures."""

import base64
import json
from pathlib import Path

import pytest
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from launcher.server import ComfyServer
from tools.browser import PATIENCE_MS, Canvas
from tools.help.blueprint import NAME, WIDGETS

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "web" / "docs"
SHOWN = "EmoFB_ScoreEmotion"
# The pictures of a help page, as far as they have loaded.
HELP_PICTURES = """name => [...document.querySelectorAll('.node-help-content img')].some(
    image => image.src.includes(name) && image.complete && image.naturalWidth > 0)"""
ADD = """type => {
    app.graph.clear();
    const node = LiteGraph.createNode(type);
    app.graph.add(node);
    app.canvas.selectNode(node);
    return node.title;
}"""
HAS = "title => app.graph.nodes.some(node => node.title === title)"
DROP_PICTURE = """([data, name]) => {
    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: 'image/png'}));
    const where = {bubbles: true, cancelable: true, clientX: 700, clientY: 500};
    for (const kind of ['dragenter', 'dragover', 'drop'])
        document.getElementById('graph-canvas').dispatchEvent(
            new DragEvent(kind, {dataTransfer: transfer, ...where}));
}"""
TYPES = "() => app.graph.nodes.map(node => node.type).sort()"


def search_for(page: Page, name: str) -> None:
    """Opens the page's search until it lists a name; a young page may lose the first letters."""
    found = page.get_by_role("option").or_(page.get_by_test_id("result-item"))
    for patience in (4_000, 12_000, PATIENCE_MS):
        page.mouse.dblclick(800, 500)
        page.wait_for_timeout(500)
        page.keyboard.type(name, delay=20)
        try:
            found.filter(has_text=name).first.wait_for(timeout=patience)
        except PlaywrightTimeout:
            page.keyboard.press("Escape")
        else:
            return
    raise AssertionError(f"The search does not list {name}.")


def test_the_server_lists_the_blueprint(server: ComfyServer) -> None:
    listed = server.get("/global_subgraphs")
    ours = {key: each for key, each in listed.items() if each["name"] == NAME}
    ((key, entry),) = ours.items()
    assert entry["info"]["node_pack"] == "custom_nodes.emofeedback"
    whole = json.loads(server.get(f"/global_subgraphs/{key}")["data"])
    assert whole["definitions"]["subgraphs"][0]["name"] == NAME


def test_help_shows_the_node_at_work(canvas: Canvas) -> None:
    page = canvas.page
    page.evaluate(ADD, SHOWN)
    page.evaluate("() => app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.get_by_test_id("info-button").click(timeout=PATIENCE_MS)
    page.get_by_text("viewer would feel from each picture").first.wait_for(timeout=PATIENCE_MS)
    page.wait_for_function(HELP_PICTURES, arg=f"{SHOWN}/graph.png", timeout=PATIENCE_MS)
    canvas.shoot("help")
    assert canvas.errors == []


def test_a_picture_of_a_help_page_holds_its_graph(canvas: Canvas) -> None:
    file = DOCS / SHOWN / "graph.png"
    canvas.page.evaluate("() => app.graph.clear()")
    data = base64.b64encode(file.read_bytes()).decode()
    canvas.page.evaluate(DROP_PICTURE, [data, file.name])
    wanted = f"() => ({TYPES})().includes('{SHOWN}')"
    canvas.page.wait_for_function(wanted, timeout=PATIENCE_MS)
    assert "EmoFB_LoadEmbedded" in canvas.page.evaluate(TYPES)
    assert canvas.errors == []


# Newer pages keep a block's values apart from those inside.
ENCODE, AVOIDED = "CLIPTextEncode", "fog"
WRITE = """([name, value]) => { const widget = app.graph.nodes[0].widgets.find(
    widget => [widget.name, widget.label].includes(name)); widget.value = value; }"""


def test_the_blueprint_is_a_loop_that_can_be_queued(canvas: Canvas) -> None:
    page = canvas.page
    page.evaluate("() => app.graph.clear()")
    search_for(page, NAME)
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    page.mouse.click(800, 500)  # newer pages let the node hang on the pointer until a click
    page.wait_for_function(HAS, arg=NAME, timeout=PATIENCE_MS)
    canvas.shoot("blueprint")
    page.evaluate(WRITE, ["what to avoid", AVOIDED])
    graph = canvas.submitted()
    kinds = {node["class_type"] for node in graph.values()}
    assert {kind for kind, _, _ in WIDGETS} <= kinds
    (start,) = [key for key, each in graph.items() if each["class_type"] == "EmoFB_StartLoop"]
    (end,) = [each for each in graph.values() if each["class_type"] == "EmoFB_EndLoop"]
    assert ":" in start  # inside the block
    texts = [each["inputs"]["text"] for each in graph.values() if each["class_type"] == ENCODE]
    assert sorted(texts, key=str) == sorted([[start, 1], AVOIDED], key=str)
    assert end["inputs"]["start"] == [start, 0]
    assert canvas.errors == []
