"""ComfyUI's page in a real Chromium: drops workflows on it, runs them, says what shows."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from launcher.comfyui import ensure_base
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
ACTIVE = "() => app.extensionManager.workflow.activeWorkflow?.path ?? ''"
LOADED = f"before => ({ACTIVE})() !== before && app.graph.nodes.length > 0"
DROP = """([text, name]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], name, {type: 'application/json'}));
    const where = {bubbles: true, cancelable: true, clientX: 700, clientY: 500};
    for (const kind of ['dragenter', 'dragover', 'drop'])
        document.getElementById('graph-canvas').dispatchEvent(
            new DragEvent(kind, {dataTransfer: transfer, ...where}));
}"""
UNKNOWN = """() => app.graph.nodes.map(node => node.type)
    .filter(type => !(type in LiteGraph.registered_node_types))"""
# Where a node's pictures are depends on the render mode: on the canvas, or in its element.
PICTURES = """([type, count]) => app.graph.nodes.filter(node => node.type === type).every(node => {
    const inPage = document.querySelectorAll(`[data-node-id="${node.id}"] img`);
    const pictures = inPage.length ? [...inPage] : (node.imgs ?? []);
    return pictures.length >= count && pictures.every(picture => picture.naturalWidth > 0);
})"""
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
ENDS = ("execution_success", "execution_error", "execution_interrupted")
EVENTS = ("executed", "progress_state", "progress_text", "b_preview_with_metadata", *ENDS)
ENDED = f"() => window.seen.some(([name]) => {json.dumps(ENDS)}.includes(name))"


@dataclass
class Shown:
    """What the page was told while a workflow ran: (event name, its details), oldest first."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def end(self) -> str:
        return next(name for name, _ in reversed(self.events) if name in ENDS)

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

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def drop(self, file: Path) -> None:
        """Drops a workflow file on the canvas, as a person would."""
        before = self.page.evaluate(ACTIVE)
        self.page.evaluate(DROP, [file.read_text(encoding="utf-8"), file.name])
        self.page.wait_for_function(LOADED, arg=before, timeout=PATIENCE_MS)
        self.page.wait_for_function(READY, timeout=PATIENCE_MS)
        self.fit()

    def fit(self) -> None:
        """Shows the whole workflow."""
        self.page.evaluate("() => app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.page.wait_for_timeout(1000)  # it glides there

    def set_widgets(self, changes: dict[str, dict[str, Any]]) -> None:
        """Sets widgets: node type -> widget -> value."""
        self.page.evaluate(SET_WIDGETS, changes)

    def submitted(self) -> Graph:
        """The API-format graph that the page sends when a person presses Run."""
        return self.page.evaluate("async () => (await app.graphToPrompt()).output")

    def unknown_types(self) -> list[str]:
        """Types of nodes that this ComfyUI does not have."""
        return self.page.evaluate(UNKNOWN)

    def wait_for_pictures(self, node_type: str, count: int = 1) -> None:
        """Waits until every node of a type shows at least `count` loaded pictures."""
        self.page.wait_for_function(PICTURES, arg=[node_type, count], timeout=PATIENCE_MS)

    def run(self) -> Shown:
        """Presses Run and waits for the end."""
        self.page.evaluate(LISTEN, EVENTS)
        self.page.get_by_role("button", name="Run", exact=True).first.click()
        self.page.wait_for_function(ENDED, timeout=PATIENCE_MS)
        return Shown([tuple(event) for event in self.page.evaluate("() => window.seen")])


def make_server(tree: Path, folder: Path, *arguments: str) -> ComfyServer:
    """A ComfyUI with this pack alone, its files in `folder`; previews of latents are on."""
    return ComfyServer(
        Path(sys.executable),
        tree,
        ensure_base(Places(folder)),
        log=folder / "server.log",
        arguments=("--cpu", "--preview-method", "latent2rgb", *arguments),
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
    # Without the first, a new visitor gets a template chooser on top of the canvas; the last two
    # keep a changed page from asking whether it may be left, and models that are not there from
    # being offered on top of the canvas.
    settings = {
        "Comfy.TutorialCompleted": True,
        "Comfy.VueNodes.Enabled": nodes_2,
        "Comfy.Window.UnloadConfirmation": False,
        "Comfy.Workflow.ShowMissingModelsWarning": False,
    }
    server.post("/api/settings", settings)
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    try:
        canvas = Canvas(page)
        page.goto(server.url, wait_until="domcontentloaded", timeout=PATIENCE_MS)
        page.wait_for_function(READY, timeout=PATIENCE_MS)
        yield canvas
    finally:
        page.close()
