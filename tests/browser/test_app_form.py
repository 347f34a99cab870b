"""The form that a workflow becomes in ComfyUI's app mode: filled in, run, its results shown."""

import json
from pathlib import Path

import pytest
from axe import serious_problems

from tools.browser import PATIENCE_MS, Canvas

pytestmark = pytest.mark.browser

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
SET_THEME = "theme => app.extensionManager.setting.set('Comfy.ColorPalette', theme)"
SWITCH = "() => app.extensionManager.command.execute('Comfy.ToggleLinear')"
FORMS = {
    file.stem: found["linearData"]
    for file in sorted(WORKFLOWS.glob("*.json"))
    if "linearData" in (found := json.loads(file.read_text(encoding="utf-8"))["extra"])
}
LOOPS = [name for name, form in FORMS.items() if "rounds" in dict(map(reversed, form["inputs"]))]


def open_form(canvas: Canvas, name: str) -> None:
    canvas.drop(WORKFLOWS / f"{name}.json")
    canvas.page.evaluate(SWITCH)
    canvas.page.get_by_test_id("linear-widgets").wait_for()


@pytest.mark.parametrize("name", FORMS)
def test_a_form_shows_what_there_is_to_choose(canvas: Canvas, name: str) -> None:
    open_form(canvas, name)
    page = canvas.page
    fields = page.get_by_test_id("app-mode-widget-item")
    fields.nth(len(FORMS[name]["inputs"]) - 1).wait_for()
    assert fields.count() == len(FORMS[name]["inputs"])
    assert page.locator(".emofb-pad:visible").count() == (name in LOOPS)
    for theme in ("light", "dark") if name == "feedback_loop" else ():
        page.evaluate(SET_THEME, theme)
        page.wait_for_timeout(600)
        assert serious_problems(page, ".emofb-pad") == []
    canvas.shoot(f"form-{name}")
    page.evaluate(SWITCH)
    assert canvas.errors == []


def test_a_filled_form_runs_the_loop_and_shows_picture_and_chart(canvas: Canvas) -> None:
    canvas.drop(WORKFLOWS / "feedback_loop.json")
    canvas.set_widgets({"KSampler": {"steps": 2}, "EmoFB_StartLoop": {"candidates": 1}})
    page = canvas.page
    page.evaluate(SWITCH)
    field = page.get_by_test_id("app-mode-widget-item")
    field.filter(has_text="prompt").locator("textarea").fill("a house in the forest")
    page.locator(".emofb-plane:visible").press("Home")
    rounds = field.filter(has_text="rounds").locator("input")
    rounds.fill("1")
    rounds.press("Enter")
    run = page.get_by_test_id("linear-run-button").get_by_role("button", name="Run")
    shown = canvas.run(run)
    assert shown.end == "execution_success", shown.message
    sent = {node["class_type"]: node["inputs"] for node in canvas.submitted().values()}
    assert sent["EmoFB_StartLoop"]["prompt"] == "a house in the forest"
    assert sent["EmoFB_StartLoop"]["rounds"] == 1
    target = sent["EmoFB_EmotionTarget"]
    assert (target["valence"], target["arousal"]) == (0, 0)
    results = page.locator("[data-testid=linear-center-panel] img")
    results.first.wait_for(timeout=PATIENCE_MS)
    canvas.shoot("form-after-run")
    page.evaluate(SWITCH)
    assert canvas.errors == []
