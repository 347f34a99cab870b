"""The panel on the loop's nodes: live while it runs, there after a reload, silent about others."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from axe import serious_problems
from playwright.sync_api import Browser

from emofeedback.loop.events import Told, events_since
from emofeedback.loop.log import RunLog
from emofeedback.loop.steps import record_scores, start_loop
from emofeedback.records.emotion import Emotion
from emofeedback.records.policy import LoopPolicy
from emofeedback.records.reading import Reading
from launcher.server import ComfyServer, free_port
from tools.browser import PATIENCE_MS, Canvas, make_server, open_canvas

pytestmark = pytest.mark.browser

LOOP = Path(__file__).resolve().parents[2] / "workflows" / "feedback_loop.json"
END, START = "EmoFB_EndLoop", "EmoFB_StartLoop"
RUNS = "user/__emofeedback/runs"
SEEDS = iter(range(901, 999))
SPOTS = "count => document.querySelectorAll('.emofb-spot').length >= count"
STATUS = "text => document.querySelector('.emofb-status')?.textContent.includes(text)"


def start_run(canvas: Canvas, *, rounds: int, steps: int = 2) -> None:
    """Drops the loop, makes it quick and new to the cache, and presses Run."""
    canvas.drop(LOOP)
    settings = {"rounds": rounds, "candidates": 2, "tolerance": 0.0, "stop_unpromising": False}
    settings["seed"] = next(SEEDS)
    canvas.set_widgets({START: settings, "KSampler": {"steps": steps}})
    canvas.zoom_to(END, 0.9)
    canvas.press_run()


def wait_for_status(canvas: Canvas, text: str) -> None:
    canvas.page.wait_for_function(STATUS, arg=text, timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def accepted(canvas: Canvas) -> Canvas:
    """A page on which a loop of many rounds was accepted after its first."""
    start_run(canvas, rounds=30)
    canvas.page.wait_for_function(SPOTS, arg=2, timeout=PATIENCE_MS)
    assert not canvas.page.evaluate("() => window.seen.some(([name]) => name.includes('success'))")
    canvas.shoot("panel-running")
    canvas.page.get_by_role("button", name="Accept now").click()
    shown = canvas.wait_for_end()
    assert shown.end == "execution_success", shown.message
    wait_for_status(canvas, "accepted by you")
    canvas.shoot("panel-accepted")
    return canvas


def test_the_path_shows_before_the_end_and_accepting_ends_the_loop(accepted: Canvas) -> None:
    rounds = accepted.page.locator(".emofb-spot").count() // 2
    assert 1 <= rounds < 30
    assert "picture" in accepted.page.locator(".emofb-cost").inner_text()
    assert accepted.page.get_by_role("button", name="Accept now").count() == 0  # it is over
    assert accepted.errors == []


def test_pictures_show_on_hover_and_by_keys(accepted: Canvas) -> None:
    card = accepted.page.locator(".emofb-card")
    accepted.page.locator(".emofb-spot").last.hover()
    card.wait_for()
    assert card.locator("img").evaluate("picture => picture.naturalWidth") > 0
    accepted.page.mouse.move(1450, 650)  # the free canvas
    card.wait_for(state="hidden")
    accepted.page.locator(".emofb-plot").press("ArrowRight")
    assert "Round 1, picture 1" in card.inner_text()
    accepted.shoot("panel-card")
    accepted.page.locator(".emofb-plot").blur()


def test_the_panel_stays_in_its_node_and_is_readable(accepted: Canvas) -> None:
    node, box = accepted.node_box(END), accepted.page.locator(".emofb-run").bounding_box()
    assert box is not None
    assert node["x"] <= box["x"] and box["x"] + box["width"] <= node["x"] + node["width"] + 1
    assert node["y"] <= box["y"] and box["y"] + box["height"] <= node["y"] + node["height"] + 1
    assert accepted.cut_texts(".emofb-run") == []
    for theme in ("light", "dark"):
        accepted.page.evaluate(
            "theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)", theme
        )
        accepted.page.wait_for_timeout(600)
        accepted.shoot(f"panel-{theme}")
        assert serious_problems(accepted.page, ".emofb-run") == []


def test_a_cached_run_and_a_reload_show_the_same_run(accepted: Canvas) -> None:
    spots = accepted.page.locator(".emofb-spot").count()
    shown = accepted.run()
    assert shown.end == "execution_success", shown.message
    assert shown.of("progress_text") == []  # nothing ran
    assert accepted.page.locator(".emofb-spot").count() == spots
    accepted.reload()
    wait_for_status(accepted, "accepted by you")
    assert accepted.page.locator(".emofb-spot").count() == spots
    accepted.shoot("panel-reloaded")
    assert accepted.errors == []


def test_an_accepted_loop_goes_on_from_the_picture_that_is_pressed(accepted: Canvas) -> None:
    page, pictures = accepted.page, accepted.page.locator(".emofb-strip button")
    count, resume = pictures.count(), lambda: accepted.widgets(START)["resume"]
    accepted.zoom_to(END, 0.9)
    pictures.nth(1).click()
    page.get_by_label("Rounds to go on with").fill("1")
    shown = accepted.run(page.get_by_role("button", name="Continue"))
    assert shown.end == "execution_success", shown.message
    wait_for_status(accepted, "all rounds done")
    assert pictures.count() == count + 2
    pressed = [pictures.nth(index).get_attribute("aria-pressed") for index in range(count + 2)]
    assert pressed.count("true") == 1 and pressed[1] == "true"  # the server says who chose
    assert resume().endswith(":1:2:1")
    accepted.shoot("panel-continued")
    page.get_by_role("button", name="Start over").click()
    assert resume() == "" and accepted.errors == []


def test_a_loop_inside_a_block_is_steered_from_the_sidebar(canvas: Canvas) -> None:
    page, name = canvas.page, "emofeedback-tab-button"
    tab = page.locator(f".{name}").or_(page.get_by_test_id(name))  # as newer pages name it
    canvas.drop(LOOP)
    settings = {"rounds": 30, "candidates": 2, "tolerance": 0.0, "stop_unpromising": False}
    canvas.set_widgets({START: {**settings, "seed": next(SEEDS)}, "KSampler": {"steps": 2}})
    page.evaluate("() => { app.graph.convertToSubgraph(new Set(app.graph.nodes)); }")
    page.wait_for_function("() => app.graph.nodes.some(node => node.subgraph)")
    tab.click()
    page.locator(".emofb-aside").wait_for()
    canvas.press_run()
    page.get_by_role("button", name="Accept now").click(timeout=PATIENCE_MS)
    shown = canvas.wait_for_end()
    assert shown.end == "execution_success", shown.message
    wait_for_status(canvas, "accepted by you")
    spots = page.locator(".emofb-spot").count()
    assert spots < 60
    assert canvas.cut_texts(".emofb-aside") == []
    for theme in ("light", "dark"):
        page.evaluate(
            "theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)", theme
        )
        page.wait_for_timeout(600)
        canvas.shoot(f"aside-{theme}")
        assert serious_problems(page, ".emofb-aside") == []
    for _ in range(2):  # closed, and opened again
        tab.click()
    wait_for_status(canvas, "accepted by you")
    assert page.locator(".emofb-spot").count() == spots
    tab.click()
    assert canvas.errors == []


def test_another_tab_is_told_nothing_of_this_ones_loop(
    accepted: Canvas, browser: Browser, server: ComfyServer
) -> None:
    with open_canvas(browser, server, nodes_2=accepted.mode == "nodes-2") as other:
        other.drop(LOOP)
        other.page.evaluate(
            "() => { window.told = 0; app.api.addEventListener('emofeedback.run', () => told++); }"
        )
        start_run(accepted, rounds=1)
        accepted.wait_for_end()
        wait_for_status(accepted, "all rounds done")
        assert other.page.evaluate("() => window.told") == 0
        assert other.errors == []


def test_results_that_are_gone_are_told_as_such(accepted: Canvas, server: ComfyServer) -> None:
    shutil.rmtree(server.base / RUNS)
    accepted.reload()
    wait_for_status(accepted, "not kept any more")
    assert accepted.page.locator(".emofb-spot").count() == 0
    assert accepted.errors == []


def test_fifty_rounds_of_sixteen_show_again(canvas: Canvas, server: ComfyServer) -> None:
    images = torch.rand(16, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    state = start_loop("a boat", Emotion(2, 1), LoopPolicy(rounds=50, candidates=16, tolerance=0))
    for place in range(50):
        emotions = [Emotion(place / 25 - i / 9, i / 8 - 1) for i in range(16)]
        readings = [Reading(emotion=emotion, uncertainty=(0.2, 0.3)) for emotion in emotions]
        state = record_scores(state, images, readings)
    RunLog(server.base / RUNS).append("f" * 32, events_since(state, Told())[0])
    canvas.drop(LOOP)
    (node_id,) = [key for key, n in canvas.submitted().items() if n["class_type"] == END]
    canvas.page.evaluate(
        "([node, run]) => { const place = `${app.graph.id}/${node}`;"
        " sessionStorage.setItem('emofeedback.runs', JSON.stringify({[place]: run})); }",
        [node_id, "f" * 32],
    )
    canvas.drop(LOOP)
    canvas.zoom_to(END, 0.9)
    canvas.page.wait_for_function(SPOTS, arg=800, timeout=PATIENCE_MS)
    canvas.shoot("panel-50x16")
    assert canvas.errors == []


@pytest.fixture
def restartable(comfyui_tree: Path, tmp_path: Path) -> Iterator[ComfyServer]:
    with make_server(comfyui_tree, tmp_path, port=free_port()) as server:
        yield server


def test_a_restarted_server_leaves_what_was_found(
    browser: Browser, restartable: ComfyServer
) -> None:
    with open_canvas(browser, restartable, nodes_2=False) as canvas:
        start_run(canvas, rounds=30)
        canvas.page.wait_for_function(SPOTS, arg=2, timeout=PATIENCE_MS)
        restartable.stop()
        restartable.__enter__()
        wait_for_status(canvas, "ended early")
        assert canvas.page.locator(".emofb-spot").count() >= 2
        assert canvas.page.get_by_role("button", name="Accept now").is_disabled()


NEW_NODE = """async ([setting, value, type, name]) => {
    await app.extensionManager.setting.set(`EmoFeedback.Defaults.${setting}`, value);
    const node = LiteGraph.createNode(type);
    return node.widgets.find(widget => widget.name === name).value;
}"""


OWN = "own default"


def test_settings_are_what_new_nodes_start_with(canvas: Canvas) -> None:
    for theme, wanted in (("dark", "dark"), ("light", "light"), (OWN, "auto")):
        asked = ["ChartTheme", theme, "EmoFB_EmotionChart", "theme"]
        assert canvas.page.evaluate(NEW_NODE, asked) == wanted
    for kind, wanted in (("server", "server"), (OWN, "ComfyUI CLIP")):
        asked = ["Scorer", kind, "EmoFB_LoadEmotionScorer", "kind"]
        assert canvas.page.evaluate(NEW_NODE, asked) == wanted
    assert canvas.errors == []
