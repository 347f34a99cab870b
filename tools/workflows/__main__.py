"""What goes with UI workflows: `python -m tools.workflows layout | twins | thumbnails | ...`.

`workflows/NAME.json` is edited in ComfyUI and saved there; everything here follows from it, and
`layout` tidies it. Needs what `python start.py test` installs, and Chromium.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from emofeedback.images import open_picture
from launcher.client import fetch_image, run_graph
from launcher.comfyui import ensure_tree
from launcher.places import ROOT, Places
from launcher.server import ComfyServer

from ..browser import Graph, chromium, make_server, names_files, open_canvas
from .layout import lay_out
from .stand_ins import drawn_twin

WORKFLOWS = ROOT / "workflows"
FILES = sorted(WORKFLOWS.glob("*.json"))
SIDE, STRIP = 512, 44
SETTLE_MS = 800  # nodes are drawn some frames after a file has opened
# Model file -> what people call it; thumbnails show the file's name where it is not listed.
MODELS = {
    "flux1-dev.safetensors": "FLUX.1-dev",
    "flux1-dev-Q4_K_S.gguf": "FLUX.1-dev, GGUF",
    "qwen_image_edit_fp8_e4m3fn.safetensors": "Qwen-Image-Edit",
    "sd3.5_medium.safetensors": "Stable Diffusion 3.5 Medium",
    "sd_xl_base_1.0.safetensors": "SDXL",
    "z_image_turbo_bf16.safetensors": "Z-Image-Turbo",
}


def tidy(_server: ComfyServer) -> Iterator[Path]:
    """Every workflow with its nodes in columns, frames that fit and wires that go round."""
    for file in FILES:
        workflow = json.loads(file.read_text(encoding="utf-8"))
        lay_out(workflow)
        yield _write_text(file, json.dumps(workflow, indent=2, ensure_ascii=False))


def make_twins(server: ComfyServer) -> Iterator[Path]:
    """What the page submits for each workflow, as workflows/api/NAME.json."""
    with chromium() as browser, open_canvas(browser, server, nodes_2=False) as canvas:
        for file in FILES:
            canvas.drop(file)
            graph = canvas.twin()
            graph = {node_id: graph[node_id] for node_id in sorted(graph, key=int)}
            yield _write_text(WORKFLOWS / "api" / file.name, json.dumps(graph, indent=2))


def make_thumbnails(server: ComfyServer) -> Iterator[Path]:
    """A square picture of each workflow's results, as workflows/NAME.jpg.

    Where the files of a real family are not there, the embedded models run the same graph; a line
    names the model that the workflow is for.
    """
    for file in FILES:
        graph = json.loads((WORKFLOWS / "api" / file.name).read_text(encoding="utf-8"))
        pictures = _saved_pictures(server, drawn_twin(graph) if names_files(file) else graph)
        whole = pictures.get("grid") or pictures.get("sheet")
        thumbnail = whole or _best_over_chart(pictures)
        target = file.with_suffix(".jpg")
        whole = thumbnail.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        name_model(whole, file).save(target, quality=88)
        yield target


def name_model(picture: Image.Image, workflow: Path) -> Image.Image:
    """The picture with a line below it: which model the workflow draws with."""
    nodes = json.loads(workflow.read_text(encoding="utf-8"))["nodes"]
    files = [model["name"] for node in nodes for model in node["properties"].get("models", [])]
    text = "embedded models, nothing to download"
    if files:  # the picture is not theirs: nobody has these files here
        text = f"{MODELS.get(files[0], files[0])} (picture: embedded models)"
    named = picture.copy()
    draw = ImageDraw.Draw(named)
    draw.rectangle((0, SIDE - STRIP, SIDE, SIDE), fill="#1b1b1f")
    font = ImageFont.load_default(0.42 * STRIP)
    draw.text((SIDE / 2, SIDE - STRIP / 2), text, fill="white", font=font, anchor="mm")
    return named


def make_screenshot(server: ComfyServer) -> Iterator[Path]:
    """The loop workflow after a run, as docs/pictures/feedback-loop.png."""
    with chromium() as browser, open_canvas(browser, server, nodes_2=True) as canvas:
        canvas.page.set_viewport_size({"width": 2200, "height": 1100})
        canvas.drop(WORKFLOWS / "feedback_loop.json")
        # A run of its own: what comes from the cache of an earlier one is not told on the nodes.
        canvas.set_widgets({"EmoFB_StartLoop": {"seed": 1}})
        canvas.run()
        canvas.wait_for_pictures("SaveImage")
        canvas.fit()
        target = ROOT / "docs" / "pictures" / "feedback-loop.png"
        canvas.page.screenshot(path=target)
        yield target


def make_first_screens(server: ComfyServer) -> Iterator[Path]:
    """How every workflow opens on a small screen, on one sheet: docs/pictures/first-screens.jpg."""
    width, height = 1366, 768
    across = 3
    rows = -(-len(FILES) // across)
    sheet = Image.new("RGB", (across * width // 2, rows * height // 2))
    with chromium() as browser, open_canvas(browser, server, nodes_2=True) as canvas:
        canvas.page.set_viewport_size({"width": width, "height": height})
        for index, file in enumerate(FILES):
            canvas.drop(file, fit=False)
            canvas.page.wait_for_timeout(SETTLE_MS)
            screen = open_picture(canvas.page.screenshot())
            place = (index % across * width // 2, index // across * height // 2)
            small = screen.resize((width // 2, height // 2), Image.Resampling.LANCZOS)
            sheet.paste(small, place)
    target = ROOT / "docs" / "pictures" / "first-screens.jpg"
    sheet.save(target, quality=85)
    yield target


def _saved_pictures(server: ComfyServer, graph: Graph) -> dict[str, Image.Image]:
    """Runs a graph; name under emofeedback/ -> the last picture saved there."""
    found = {}
    for output in run_graph(server, graph).values():
        for image in output.get("images", ()):
            if image["subfolder"] == "emofeedback" and not image["filename"].endswith(".mp4"):
                picture = open_picture(fetch_image(server, image))
                found[image["filename"].split("_")[0]] = picture
    return found


def _best_over_chart(pictures: dict[str, Image.Image]) -> Image.Image:
    """The best picture, the path that led to it in the upper corner, where no subject stands."""
    whole = pictures["best"].resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    side = 2 * SIDE // 5
    small = pictures["chart"].resize((side, side), Image.Resampling.LANCZOS)
    whole.paste(small, (SIDE - side, 0))
    return whole


def _write_text(file: Path, text: str) -> Path:
    file.write_text(text + "\n", encoding="utf-8")
    return file


MAKERS = {
    "layout": tidy,
    "twins": make_twins,
    "thumbnails": make_thumbnails,
    "screenshot": make_screenshot,
    "screens": make_first_screens,
}


def main(wanted: list[str]) -> None:
    if not wanted or not set(wanted) <= set(MAKERS):
        sys.exit(f"usage: python -m tools.workflows {' | '.join(MAKERS)} ...")
    tree = ensure_tree(Places.from_environment())
    with tempfile.TemporaryDirectory() as folder, make_server(tree, Path(folder)) as server:
        for name in wanted:
            for file in MAKERS[name](server):
                print(file.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
