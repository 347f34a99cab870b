"""`start.py ui`: ComfyUI with the pack, opened on the loop workflow, until Ctrl-C."""

import time
import webbrowser

from .comfyui import PACK_NAME
from .server import ComfyServer
from .steps import say

TEMPLATE = "feedback_loop"


def page_of(server: ComfyServer) -> str:
    """The address that opens the loop workflow: ComfyUI loads a pack's template by its name."""
    return f"{server.url}/?template={TEMPLATE}&source={PACK_NAME}"


def run(server: ComfyServer, *, browser: bool) -> None:
    """Opens the page and waits; ends when the server does, or with KeyboardInterrupt."""
    # Without this, ComfyUI greets a first visitor with a template chooser on top of the workflow.
    server.post("/api/settings", {"Comfy.TutorialCompleted": True})
    page = page_of(server)
    opened = browser and webbrowser.open(page)
    say(f"ComfyUI runs at {page}")
    if not opened:
        say("Open that address in a browser.")
    say("Ctrl-C stops it.")
    while True:
        time.sleep(0.5)
        server.ensure_alive()
