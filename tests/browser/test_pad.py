"""The pad in a real page: mouse, keys, words, undo, subgraphs, themes, and what is not a number."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe import serious_problems

from tools.browser import PATIENCE_MS, Canvas

pytestmark = pytest.mark.browser

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
TARGET = "EmoFB_EmotionTarget"
NEAR = 0.06  # a step of the widgets and a little: pixels are whole
SELECT = """type => app.canvas.selectItems(
    app.canvas.graph.nodes.filter(node => node.type === type).slice(0, 1))"""
PADS = "() => document.querySelectorAll('.emofb-pad').length"
# Of the classic canvas, and of Nodes 2.0, which has an element for each row.
VISIBLE = """type => {
    const node = app.graph.nodes.find(node => node.type === type);
    const drawn = document.querySelector(`[data-node-id="${node.id}"]`);
    const names = ['valence', 'arousal', 'preset'];
    const shown = node.isWidgetRowVisible ?? node.isWidgetVisible; // newer pages, older ones
    if (!drawn)
        return names.filter(name => shown.call(node, node.widgets.find(w => w.name === name)));
    const outside = [...drawn.querySelectorAll('*')].filter(part => !part.closest('.emofb-pad'));
    return names.filter(name => outside.some(part =>
        !part.children.length && part.textContent.trim() === name));
}"""
COMMAND = "id => app.extensionManager.command.execute(id)"


@pytest.fixture
def pad(canvas: Canvas) -> Iterator[Canvas]:
    """The page with the loop workflow, close to its Emotion Target."""
    canvas.drop(WORKFLOWS / "feedback_loop.json")
    canvas.zoom_to(TARGET, 1.2)
    yield canvas
    assert canvas.errors == []


def point(canvas: Canvas) -> tuple[float, float]:
    values = canvas.widgets(TARGET)
    return values["valence"], values["arousal"]


def drag(canvas: Canvas, valence: float, arousal: float, *, nth: int = 0) -> None:
    """Drags from the middle of a pad to a point of the plane."""
    box = canvas.page.locator(".emofb-plane").nth(nth).bounding_box()
    assert box is not None
    mouse = canvas.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    x, y = (valence / 3 + 1) / 2, (1 - arousal / 3) / 2
    mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    mouse.up()


def undo(canvas: Canvas) -> None:
    canvas.page.evaluate(COMMAND, "Comfy.Undo")
    canvas.page.wait_for_timeout(900)


def changed_file(folder: Path, values: list, size: list[float] | None = None) -> Path:
    """The loop workflow with other values in its Emotion Target."""
    workflow = json.loads((WORKFLOWS / "feedback_loop.json").read_text(encoding="utf-8"))
    (node,) = [node for node in workflow["nodes"] if node["type"] == TARGET]
    node["widgets_values"] = values
    node["size"] = size or node["size"]
    file = folder / "changed.json"
    file.write_text(json.dumps(workflow), encoding="utf-8")
    return file


@pytest.mark.parametrize("scale", [0.7, 1.6])
def test_dragging_sets_the_numbers_at_any_zoom(pad: Canvas, scale: float) -> None:
    pad.zoom_to(TARGET, scale)
    drag(pad, 1.5, -2)
    assert point(pad) == pytest.approx((1.5, -2), abs=NEAR)
    drag(pad, 9, 9)
    assert point(pad) == (3, 3)
    sent = next(n for n in pad.submitted().values() if n["class_type"] == TARGET)
    assert set(sent["inputs"]) == {"valence", "arousal", "preset"}
    assert (sent["inputs"]["valence"], sent["inputs"]["arousal"]) == (3, 3)


def test_keys_words_and_double_click_each_are_one_step_of_undo(pad: Canvas) -> None:
    start, plane = point(pad), pad.page.locator(".emofb-plane")
    drag(pad, 1, 1)
    dragged = point(pad)
    plane.press("ArrowRight")
    assert point(pad) == pytest.approx((dragged[0] + 0.1, dragged[1]))
    plane.press("Shift+ArrowUp")
    keyed = point(pad)
    assert keyed == pytest.approx((dragged[0] + 0.1, dragged[1] + 0.5))
    pad.page.get_by_label("Emotion word").select_option("sad")
    assert pad.widgets(TARGET)["preset"] == "sad"
    assert point(pad) == pytest.approx((-1.95, -1.0))
    plane.dblclick()
    assert (point(pad), pad.widgets(TARGET)["preset"]) == ((0, 0), "custom")
    pad.shoot("pad")
    for _ in range(6):
        undo(pad)
        if point(pad) == start:
            break
    assert point(pad) == start
    knob = pad.page.locator(".emofb-plane[aria-valuenow]")
    assert float(knob.get_attribute("aria-valuenow") or 9) == start[0], "the pad on the page is old"
    drag(pad, 2, 2)  # and it works on the node that is there now
    assert point(pad) == pytest.approx((2, 2), abs=NEAR)


def test_typed_numbers_are_the_numbers_of_the_node(pad: Canvas) -> None:
    fields = pad.page.locator(".emofb-pad")  # Nodes 2.0 labels its own number widgets alike
    field = fields.get_by_label("arousal", exact=True)
    field.fill("-2.35")
    field.press("Enter")
    assert point(pad)[1] == -2.35
    pad.set_widgets({TARGET: {"valence": 1.25}})  # and the other way round
    assert fields.get_by_label("valence", exact=True).input_value() == "1.25"


def test_touch_moves_the_point(pad: Canvas) -> None:
    box = pad.page.locator(".emofb-plane").bounding_box()
    assert box is not None
    session = pad.page.context.new_cdp_session(pad.page)
    places = [(0.5, 0.5), (0.7, 0.4), (0.75, 0.25)]
    for kind, (x, y) in zip(("touchStart", "touchMove", "touchMove"), places):
        touch = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [touch]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    pad.page.wait_for_timeout(300)
    assert point(pad) == pytest.approx((1.5, 1.5), abs=NEAR)


def test_a_copy_has_a_pad_of_its_own(pad: Canvas) -> None:
    drag(pad, 1, -1)
    pad.page.evaluate(SELECT, TARGET)
    pad.page.evaluate("() => { app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard(); }")
    pad.page.wait_for_function(f"() => ({PADS})() === 2")
    values = """type => app.graph.nodes.filter(node => node.type === type)
        .map(node => node.widgets.slice(0, 2).map(widget => widget.value))"""
    before = pad.page.evaluate(values, TARGET)
    assert before[0] == before[1] == pytest.approx([1, -1], abs=NEAR)
    pad.page.locator(".emofb-plane").nth(1).focus()
    pad.page.keyboard.press("Home")
    pad.page.keyboard.up("Home")
    after = pad.page.evaluate(values, TARGET)
    assert sorted(after) == sorted([before[0], [0, 0]])


def test_the_pad_works_inside_a_subgraph(pad: Canvas) -> None:
    pad.page.evaluate(SELECT, TARGET)
    pad.page.evaluate(COMMAND, "Comfy.Graph.ConvertToSubgraph")
    pad.page.wait_for_function("() => app.graph.nodes.some(node => node.subgraph)")
    pad.page.evaluate(
        "() => { const outer = app.graph.nodes.find(node => node.subgraph);"
        " app.canvas.openSubgraph(outer.subgraph, outer); }"
    )
    pad.page.wait_for_timeout(800)
    pad.zoom_to(TARGET, 1.2)
    drag(pad, -2, 1)
    assert point(pad) == pytest.approx((-2, 1), abs=NEAR)
    pad.shoot("pad-in-subgraph")
    sent = [node for node in pad.submitted().values() if node["class_type"] == TARGET]
    assert [node["inputs"]["valence"] for node in sent] == pytest.approx([-2], abs=NEAR)
    pad.page.evaluate("() => app.canvas.setGraph(app.graph)")


def test_a_linked_axis_is_shown_as_such_and_stays(pad: Canvas) -> None:
    assert pad.page.evaluate(VISIBLE, TARGET) == [], "the pad's own fields say the same"
    pad.page.evaluate(
        """type => { const node = app.graph.nodes.find(node => node.type === type);
        const number = LiteGraph.createNode('PrimitiveFloat'); app.graph.add(number);
        number.connect(0, node, node.inputs.findIndex(input => input.name === 'valence')); }""",
        TARGET,
    )
    pad.page.get_by_text("valence comes over a link").wait_for()
    assert pad.page.evaluate(VISIBLE, TARGET) == ["valence"], "its socket is in its row"
    before = point(pad)
    drag(pad, 2, -1)
    assert point(pad) == (before[0], pytest.approx(-1, abs=NEAR))


@pytest.mark.parametrize("values", [[99, "abc", "custom"], [None, {}, "no such word"]])
def test_nonsense_in_the_file_is_told_and_repaired_by_the_first_drag(
    canvas: Canvas, tmp_path: Path, values: list
) -> None:
    canvas.drop(changed_file(tmp_path, values))
    canvas.zoom_to(TARGET, 1.2)
    canvas.page.locator(".emofb-wrong").wait_for()
    drag(canvas, 1, -1)
    assert point(canvas) == pytest.approx((1, -1), abs=NEAR)
    assert canvas.widgets(TARGET)["preset"] == "custom"
    assert canvas.page.locator(".emofb-wrong").count() == 0
    assert canvas.errors == []


def test_a_node_saved_before_there_was_a_pad_makes_room_for_it(
    canvas: Canvas, tmp_path: Path
) -> None:
    canvas.drop(changed_file(tmp_path, [-1.5, 1.5, "custom"], [280, 165]))
    canvas.zoom_to(TARGET, 1.0)
    canvas.page.wait_for_timeout(500)
    node, box = canvas.node_box(TARGET), canvas.page.locator(".emofb-pad").bounding_box()
    assert box is not None
    assert node["x"] <= box["x"] and box["x"] + box["width"] <= node["x"] + node["width"] + 1
    assert node["y"] <= box["y"] and box["y"] + box["height"] <= node["y"] + node["height"] + 1
    assert canvas.cut_texts(".emofb-pad") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pad_is_readable_in_either_theme(pad: Canvas, theme: str) -> None:
    set_theme = "theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)"
    pad.page.evaluate(set_theme, theme)
    pad.page.wait_for_timeout(600)
    pad.shoot(f"pad-{theme}")
    assert serious_problems(pad.page, ".emofb-pad") == []
    assert pad.cut_texts(".emofb-pad") == []
    add = (
        "kind => { const node = LiteGraph.createNode(kind); app.graph.add(node);"
        " return node.serialize().widgets_values; }"
    )
    for kind in ("EmoFB_EmotionChart", "EmoFB_EmotionFeedback", "EmoFB_EndLoop"):
        kept = pad.page.evaluate(add, kind)
        sent = [n["inputs"] for n in pad.submitted().values() if n["class_type"] == kind]
        assert "auto" in kept and sent[-1]["theme"] == theme, f"{kind}: charts follow the page"


def test_the_help_of_the_node_opens(pad: Canvas) -> None:
    pad.page.evaluate(SELECT, TARGET)
    pad.page.locator(
        "button:has(.icon-\\[lucide--info\\]), [data-testid='info-button']"
    ).first.click()
    heading = pad.page.get_by_role("heading", name="Emotion Target")
    heading.first.wait_for(timeout=PATIENCE_MS)
    pad.page.keyboard.press("Escape")
