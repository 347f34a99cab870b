"""ComfyUI's page in a real Chromium: drops workflows on it, runs them, says what shows."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, sync_playwright

from launcher.comfyui import ensure_base
from launcher.frontend import VARIABLE
from launcher.places import Places
from launcher.server import ComfyServer
from launcher.testing import BROWSERS

Graph = dict[str, dict[str, Any]]

# Containers and machines without a GPU or a user namespace run it only so.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
PATIENCE_MS = 240_000  # for machines that do something else besides

# The page shows a spinner until it has loaded what it opens with; a drop before that is lost, and
# one while the spinner's mask still fades away leaves the mask there for good.
READY = """() => window.app?.vueAppReady && app.extensionManager.spinner === false
    && !document.querySelector('.p-blockui-mask')"""
# A file that is open already is loaded into its tab anew: only the nodes tell that it is there.
MARK = "() => app.graph.nodes.forEach(node => { node.wasHere = true; })"
LOADED = "() => app.graph.nodes.length > 0 && !app.graph.nodes.some(node => node.wasHere)"
DROP = """([text, name]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], name, {type: 'application/json'}));
    const where = {bubbles: true, cancelable: true, clientX: 700, clientY: 500};
    for (const kind of ['dragenter', 'dragover', 'drop'])
        document.getElementById('graph-canvas').dispatchEvent(
            new DragEvent(kind, {dataTransfer: transfer, ...where}));
}"""
TWIN = """async () => {
    const { output } = await app.graphToPrompt();
    for (const { id, widgets } of app.graph.nodes)
        for (const { name, value } of widgets ?? [])
            if (name === 'theme' && output[id]?.inputs.theme) output[id].inputs.theme = value;
    return output;
}"""
UNKNOWN = """() => app.graph.nodes.map(node => node.type)
    .filter(type => !(type in LiteGraph.registered_node_types))"""
# Where a node's pictures are depends on the render mode: on the canvas, or in its element.
PICTURES = """([type, count]) => app.graph.nodes.filter(node => node.type === type).every(node => {
    const inPage = document.querySelectorAll(`[data-node-id="${node.id}"] img`);
    const pictures = inPage.length ? [...inPage] : (node.imgs ?? []);
    return pictures.length >= count && pictures.every(picture => picture.naturalWidth > 0);
})"""
WIDGETS = """type => Object.fromEntries(app.canvas.graph.nodes.find(node => node.type === type)
    .widgets.map(widget => [widget.name, widget.value]))"""
SET_WIDGETS = """changes => {
    for (const node of app.graph.nodes)
        for (const [name, value] of Object.entries(changes[node.type] ?? {})) {
            const widget = node.widgets.find(widget => widget.name === name);
            widget.value = value;
            widget.callback?.(value);
        }
}"""
LISTEN = """names => {
    window.seen = [];
    window.listening ??= names.map(name => app.api.addEventListener(name, event => {
        const {blob, ...detail} = event.detail ?? {};
        window.seen.push([name, detail]);
    }));
}"""
# Where a node is on the page: its element in Nodes 2.0, else computed from the canvas.
NODE_BOX = """type => {
    const node = app.canvas.graph.nodes.find(node => node.type === type);
    const element = document.querySelector(`[data-node-id="${node.id}"]`);
    if (element) return element.getBoundingClientRect().toJSON();
    const {scale, offset} = app.canvas.ds, page = app.canvas.canvas.getBoundingClientRect();
    const x = (node.pos[0] + offset[0]) * scale + page.left;
    const y = (node.pos[1] + offset[1]) * scale + page.top;
    return {x, y, width: node.size[0] * scale, height: node.size[1] * scale};
}"""
ZOOM = """([type, scale]) => {
    const node = app.canvas.graph.nodes.find(node => node.type === type);
    app.canvas.ds.scale = scale;
    app.canvas.ds.offset = [250 / scale - node.pos[0], 120 / scale - node.pos[1]];
    app.canvas.setDirty(true, true);
}"""
# Parts whose text does not fit: wider than their box, or reaching beyond the widget.
CUT = """selector => [...document.querySelectorAll(selector)].flatMap(root => {
    const frame = root.getBoundingClientRect();
    return [root, ...root.querySelectorAll('*:not(svg *):not(option)')].filter(part => {
        const box = part.getBoundingClientRect();
        return box.width && (part.scrollWidth > part.clientWidth + 1 && part.clientWidth
            || box.left < frame.left - 1 || box.right > frame.right + 1
            || !part.closest('.emofb-words') && box.bottom > frame.bottom + 1);
    }).map(part => `${part.tagName}.${part.className}: ${part.textContent}`);
})"""
# Resolves when the view has not moved for a quarter of a second.
AT_REST = """() => new Promise(done => {
    let seen = '', since = 0;
    const look = now => {
        const {scale, offset} = app.canvas.ds, view = [scale, ...offset].join();
        if (view !== seen) [seen, since] = [view, now];
        if (now - since > 250) done(); else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""
PAST_RUNS = "/emofeedback/runs/"
OTHER_PACKS = Path(__file__).parent / "workflows" / "gguf_nodes.py"
SHOTS = Path(__file__).resolve().parents[1] / "output" / "browser"

ENDS = ("execution_success", "execution_error", "execution_interrupted")
EVENTS = ("executed", "progress_state", "progress_text", "b_preview_with_metadata", *ENDS)
ENDED = f"() => window.seen.some(([name]) => {json.dumps(ENDS)}.includes(name))"


@dataclass
class Shown:
    """What the page was told while a workflow ran: (event name, its details), oldest first."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def end(self) -> str:
        return str(next(name for name, _ in reversed(self.events) if name in ENDS))

    @property
    def message(self) -> str:
        """Everything a person reads when the run failed."""
        return "\n".join(
            f"{detail.get('node_type')}: {detail.get('exception_message')}"
            for name, detail in self.events
            if name == "execution_error"
        )

    def of(self, name: str) -> list[dict[str, Any]]:
        """The details of every event of a name."""
        return [detail for kind, detail in self.events if kind == name]


def names_files(workflow: Path) -> bool:
    """Whether a workflow needs model files that a person has to download."""
    nodes = json.loads(workflow.read_text(encoding="utf-8"))["nodes"]
    return any("models" in node["properties"] for node in nodes)


class Canvas:
    """An open page."""

    def __init__(self, page: Page, mode: str) -> None:
        self.page = page
        self.mode = mode
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note_console)

    def _note_console(self, message: ConsoleMessage) -> None:
        """What the pack's own files complain about counts as an error of the page.

        That a past run is not kept any more is none, but the browser reports every answer of 404.
        """
        url = message.location.get("url", "")
        if message.type == "error" and "emofeedback" in url and PAST_RUNS not in url:
            self.errors.append(message.text)

    def drop(self, file: Path, *, fit: bool = True) -> None:
        """Drops a workflow file on the canvas, as a person would, and shows the whole of it."""
        self.page.evaluate(MARK)
        self.page.evaluate(DROP, [file.read_text(encoding="utf-8"), file.name])
        self.page.wait_for_function(LOADED, timeout=PATIENCE_MS)
        self.page.wait_for_function(READY, timeout=PATIENCE_MS)
        if fit:
            self.fit()

    def fit(self) -> None:
        """Shows the whole workflow."""
        self.page.evaluate("() => app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.page.evaluate(AT_REST)  # it glides there

    def zoom_to(self, node_type: str, scale: float = 1.0) -> None:
        """Shows the first node of a type in the upper left part."""
        for _ in range(20):  # a glide to another view may still be on its way
            self.page.evaluate(ZOOM, [node_type, scale])
            self.page.evaluate(AT_REST)
            if self.page.evaluate("scale => app.canvas.ds.scale === scale", scale):
                return

    def node_box(self, node_type: str) -> dict[str, float]:
        """x, y, width and height of the first node of a type on the page."""
        return dict(self.page.evaluate(NODE_BOX, node_type))

    def widgets(self, node_type: str) -> dict[str, Any]:
        """Widget values of the first node of a type."""
        return dict(self.page.evaluate(WIDGETS, node_type))

    def cut_texts(self, selector: str) -> list[str]:
        """Parts below the matching elements whose text is cut off."""
        return list(self.page.evaluate(CUT, selector))

    def shoot(self, name: str) -> None:
        """Keeps a screenshot for people: output/browser/NAME-MODE.png."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}-{self.mode}.png")

    def reload(self) -> None:
        """Loads the page anew, as after F5."""
        self.page.reload(wait_until="domcontentloaded", timeout=PATIENCE_MS)
        self.page.wait_for_function(READY, timeout=PATIENCE_MS)
        self.page.wait_for_function("() => app.graph.nodes.length > 0", timeout=PATIENCE_MS)

    def set_widgets(self, changes: dict[str, dict[str, Any]]) -> None:
        """Sets widgets: node type -> widget -> value."""
        self.page.evaluate(SET_WIDGETS, changes)

    def submitted(self) -> Graph:
        """The API-format graph that the page sends when a person presses Run."""
        return dict(self.page.evaluate("async () => (await app.graphToPrompt()).output"))

    def twin(self) -> Graph:
        """The same for whoever has no page: a chart's theme "auto" stays "auto"."""
        return dict(self.page.evaluate(TWIN))

    def unknown_types(self) -> list[str]:
        """Types of nodes that this ComfyUI does not have."""
        return list(self.page.evaluate(UNKNOWN))

    def wait_for_pictures(self, node_type: str, count: int = 1) -> None:
        """Waits until every node of a type shows at least `count` loaded pictures."""
        self.page.wait_for_function(PICTURES, arg=[node_type, count], timeout=PATIENCE_MS)

    def run(self, button: Locator | None = None) -> Shown:
        """Presses Run, or another button that runs, and waits for the end."""
        self.press_run(button)
        return self.wait_for_end()

    def press_run(self, button: Locator | None = None) -> None:
        self.page.evaluate(LISTEN, EVENTS)
        (button or self.page.get_by_role("button", name="Run", exact=True).first).click()

    def wait_for_end(self) -> Shown:
        self.page.wait_for_function(ENDED, timeout=PATIENCE_MS)
        return Shown([tuple(event) for event in self.page.evaluate("() => window.seen")])


def make_server(tree: Path, folder: Path, *arguments: str, port: int | None = None) -> ComfyServer:
    """A ComfyUI with this pack, its files in `folder`; previews of latents are on.

    Its page is another one where `start.py test --frontend` says so. Of other packs it has
    stand-ins for the nodes that shipped workflows name.
    """
    page = os.environ.get(VARIABLE)
    another = ("--front-end-root", page) if page else ()
    base = ensure_base(Places(folder))
    stand_ins = base / "custom_nodes" / OTHER_PACKS.name
    stand_ins.unlink(missing_ok=True)
    stand_ins.symlink_to(OTHER_PACKS)
    return ComfyServer(
        Path(sys.executable),
        tree,
        base,
        log=folder / "server.log",
        port=port,
        arguments=("--cpu", "--preview-method", "latent2rgb", *another, *arguments),
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium that the machine has; while it is open, asyncio cannot be used elsewhere."""
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def open_canvas(browser: Browser, server: ComfyServer, *, nodes_2: bool) -> Iterator[Canvas]:
    """The page of a server in one of its two render modes."""
    # Without the first two, a new visitor gets a template chooser, and tours, on top of the page;
    # the last two keep a changed page from asking whether it may be left, and models that are not
    # there from being offered on top of the canvas.
    settings = {
        "Comfy.TutorialCompleted": True,
        "Comfy.OnboardingCoachmarks.Seen": ["appMode", "firstRun"],
        "Comfy.VueNodes.Enabled": nodes_2,
        "Comfy.RightSidePanel.IsOpen": False,
        "Comfy.Window.UnloadConfirmation": False,
        "Comfy.Workflow.ShowMissingModelsWarning": False,
    }
    server.post("/api/settings", settings)
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    try:
        canvas = Canvas(page, "nodes-2" if nodes_2 else "classic")
        page.goto(server.url, wait_until="domcontentloaded", timeout=PATIENCE_MS)
        page.wait_for_function(READY, timeout=PATIENCE_MS)
        yield canvas
    finally:
        page.close()
