"""Every shipped workflow, dropped on the canvas of a real browser, runs and shows its results."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from launcher.comfyui import PACK_NAME
from launcher.server import ComfyServer
from tools.browser import PATIENCE_MS, Canvas, Shown, names_files, open_canvas
from tools.workflows.measure import faults, hidden_wires, note_in_view

pytestmark = pytest.mark.browser

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
LOOP = "feedback_loop"
NAMES = sorted(file.stem for file in WORKFLOWS.glob("*.json"))
# What can run here: it brings its own models. The others name files of real model families.
RUNNABLE = [name for name in NAMES if not names_files(WORKFLOWS / f"{name}.json")]
ROUNDS, CANDIDATES = 2, 2
# What keeps a run short without changing what it does, and from ending early.
SHORT_LOOP = {
    "rounds": ROUNDS, "candidates": CANDIDATES, "tolerance": 0.0, "stop_unpromising": False,
}  # fmt: skip
QUICK = {
    "KSampler": {"steps": 2},
    "EmoFB_StartLoop": SHORT_LOOP,
    "EmoFB_EmotionFeedback": {**SHORT_LOOP, "steps": 2},
    "EmoFB_EmotionGrid": {"side": 2},
    "EmoFB_EmotionPath": {"points": 3},
    "ImageGrid": {"columns": 2},
}
SMALL_SCREEN, LEAST_ZOOM = {"width": 1366, "height": 768}, 0.75
# A missing thumbnail shows as ComfyUI's own stand-in, which is not fetched into a blob.
THUMBNAILS = """count => [...document.querySelectorAll('[role=dialog] img')].filter(
    image => image.src.startsWith('blob:') && image.naturalWidth > 0).length === count"""


SHOWS = """([id, names]) =>
    app.nodeOutputs[id]?.images?.map(image => image.filename).join() === names.join()"""


def drop(canvas: Canvas, name: str) -> None:
    """Drops a workflow and checks what holds for every one, on the first screen and as a whole."""
    page, usual = canvas.page, canvas.page.viewport_size
    page.set_viewport_size(SMALL_SCREEN)
    canvas.drop(WORKFLOWS / f"{name}.json", fit=False)
    seen = note_in_view(canvas)
    assert seen.pop("scale") >= LEAST_ZOOM and min(seen.values()) >= 0, seen
    assert faults(canvas) == []
    page.set_viewport_size(usual)
    canvas.fit()
    assert faults(canvas) + hidden_wires(canvas) == []
    assert canvas.unknown_types() == []
    twin = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))
    assert canvas.twin() == twin, "Run `python -m tools.workflows twins` to make it anew."
    assert canvas.errors == []


def run_dropped(canvas: Canvas, name: str) -> Shown:
    """Drops a workflow and runs it made quick, with a seed of the mode's own.

    What the other render mode drew on the same server would be taken from memory, and not shown.
    """
    drop(canvas, name)
    canvas.set_widgets(QUICK)
    canvas.set_widgets({"EmoFB_StartLoop": {"seed": 1000 + (canvas.mode == "classic")}})
    shown = canvas.run()
    assert shown.end == "execution_success", shown.message
    canvas.wait_for_pictures("SaveImage")
    assert faults(canvas) == []
    assert canvas.errors == []
    return shown


@pytest.mark.parametrize("name", [name for name in RUNNABLE if name != LOOP])
def test_a_dropped_workflow_submits_its_api_twin_and_shows_what_it_makes(
    canvas: Canvas, name: str
) -> None:
    run_dropped(canvas, name)


def test_the_dropped_loop_shows_every_round_on_the_nodes_of_the_canvas(canvas: Canvas) -> None:
    shown = run_dropped(canvas, LOOP)
    graph = canvas.submitted()
    ids = {node["class_type"]: node_id for node_id, node in graph.items()}
    previews = [e for e in shown.of("executed") if e["display_node"] == ids["PreviewImage"]]
    assert len(previews) == ROUNDS
    canvas.wait_for_pictures("PreviewImage", CANDIDATES)

    for kind in ("EmoFB_StartLoop", "EmoFB_ScoreRound", "EmoFB_EndLoop"):
        texts = [e["text"] for e in shown.of("progress_text") if e["nodeId"] == ids[kind]]
        assert len(texts) >= ROUNDS, kind
    canvas.page.get_by_text("stopped: rounds").first.wait_for()

    bars = [state for e in shown.of("progress_state") for state in e["nodes"].values()]
    assert {bar["display_node_id"] for bar in bars} <= set(graph)
    loop = [(b["value"], b["max"]) for b in bars if b["display_node_id"] == ids["EmoFB_EndLoop"]]
    assert (1, ROUNDS) in loop and (ROUNDS, ROUNDS) in loop

    last = [image["filename"] for image in previews[-1]["output"]["images"]]
    assert last != [image["filename"] for image in previews[0]["output"]["images"]]
    cached = canvas.run()
    assert cached.of("progress_text") == []  # nothing ran
    canvas.page.wait_for_function(SHOWS, arg=[ids["PreviewImage"], last], timeout=PATIENCE_MS)


def test_the_template_browser_shows_every_workflow_with_its_picture(canvas: Canvas) -> None:
    page = canvas.page
    page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    usual = page.viewport_size
    page.set_viewport_size({"width": 1600, "height": 3000})  # out of view nothing is loaded
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(PACK_NAME).first.click()
    for name in NAMES:
        dialog.get_by_text(name, exact=True).first.wait_for()
    page.wait_for_function(THUMBNAILS, arg=len(NAMES), timeout=PATIENCE_MS)
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.set_viewport_size(usual)
    assert canvas.errors == []


@pytest.mark.parametrize("name", [name for name in NAMES if name not in RUNNABLE])
def test_a_dropped_workflow_of_a_real_family_submits_its_api_twin(
    canvas: Canvas, name: str
) -> None:
    drop(canvas, name)
    assert canvas.errors == []


OWN_WORDS = "a bridge in the rain"
COUNT_PRESSES = """() => {
    window.presses = 0;
    addEventListener('pointerdown', () => { window.presses += 1; }, true);
}"""
FIELD_OF_WORDS = """words =>
    [...document.querySelectorAll('textarea')].find(each => each.value === words)"""


def test_the_sdxl_loop_with_its_files_in_place_starts_after_three_presses(
    canvas: Canvas, browser: Browser, server: ComfyServer
) -> None:
    """Empty files stand for the real ones: it gets as far as loading them."""
    file = WORKFLOWS / "sdxl_feedback_loop.json"
    nodes = json.loads(file.read_text(encoding="utf-8"))["nodes"]
    links = [link for node in nodes for link in node["properties"].get("models", ())]
    places = [server.base / "models" / link["directory"] / link["name"] for link in links]
    words = next(n["widgets_values"][0] for n in nodes if n["type"] == "EmoFB_StartLoop")
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    try:
        with open_canvas(browser, server, nodes_2=canvas.mode != "classic") as fresh:
            page = fresh.page
            page.set_viewport_size(SMALL_SCREEN)
            fresh.drop(file, fit=False)
            page.wait_for_timeout(800)
            page.evaluate(COUNT_PRESSES)
            page.locator(".emofb-plane").click(position={"x": 40, "y": 40})
            page.evaluate_handle(FIELD_OF_WORDS, words).as_element().click()
            page.keyboard.press("Control+A")
            page.keyboard.type(OWN_WORDS)
            shown = fresh.run()
            assert page.evaluate("() => window.presses") <= 3
            sent = {node["class_type"]: node["inputs"] for node in fresh.submitted().values()}
    finally:
        for place in places:
            place.unlink()
    assert sent["EmoFB_StartLoop"]["prompt"] == OWN_WORDS
    assert sent["EmoFB_EmotionTarget"]["arousal"] > 1 > 0 > sent["EmoFB_EmotionTarget"]["valence"]
    assert shown.end == "execution_error", "the server refused what the page sent"
    assert shown.message.startswith(("CheckpointLoaderSimple", "CLIPLoader")), shown.message
