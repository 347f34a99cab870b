"""Makes what follows from the nodes: `python -m tools.help pictures | locales | blueprint`.

`pictures`: web/docs/NODE/graph.png for every node and the drawings of the guides; `locales`: the
locale files; `blueprint`: the loop as a block of the node library. Needs what
`python start.py test` installs.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from launcher.comfyui import ensure_tree
from launcher.places import ROOT, Places

from .blueprint import NAME, blueprint
from .drawing import draw_node
from .graphs import Graph, minimal_graph
from .guide_pictures import guide_pictures
from .locales import (
    SETTINGS,
    languages,
    node_words,
    page_words,
    setting_words,
    translated_words,
)
from .pack import core_facts, load_pack, pack_facts

DOCS = ROOT / "web" / "docs"
LOCALES = ROOT / "locales"
COLOURS = 160  # of a drawing: a third of the bytes, and no eye sees it


def make_pictures(nodes: dict[str, Any], core: Any) -> Iterator[Path]:
    """A picture of every node at work; ComfyUI opens the graph in it when it is dropped there."""
    ours, known = pack_facts(nodes), core_facts(core)
    for node_id in ours:
        graph, about = minimal_graph(node_id, ours, known)
        picture = draw_node(graph, {**known, **ours}, about)
        yield save_drawing(picture, DOCS / node_id / "graph.png", graph)
    for name, drawing, shown in guide_pictures({**known, **ours}):
        yield save_drawing(drawing, ROOT / "docs" / "pictures" / f"{name}.png", shown)


def make_locales(nodes: dict[str, Any], _core: Any) -> Iterator[Path]:
    """The words of all nodes and settings in English, and those of the nodes in other languages."""
    settings = setting_words(SETTINGS.read_text(encoding="utf-8"))
    english = node_words(nodes)
    words = {"nodeDefs": english, "main": page_words(nodes), "settings": settings}
    for name, each in words.items():
        yield _write_json(LOCALES / "en" / f"{name}.json", each)
    for language in languages():
        yield _write_json(LOCALES / language / "nodeDefs.json", translated_words(english, language))


def make_blueprint(_nodes: dict[str, Any], _core: Any) -> Iterator[Path]:
    """The loop workflow's middle as a subgraph."""
    workflow = json.loads((ROOT / "workflows" / "feedback_loop.json").read_text(encoding="utf-8"))
    yield _write_json(ROOT / "subgraphs" / f"{NAME}.json", blueprint(workflow))


def save_drawing(picture: Image.Image, target: Path, graph: Graph | None) -> Path:
    """Writes a PNG that carries its graph the way ComfyUI's own pictures do."""
    told = PngInfo()
    if graph is not None:
        told.add_text("prompt", json.dumps(graph))
    target.parent.mkdir(parents=True, exist_ok=True)
    method = Image.Quantize.MAXCOVERAGE  # the small dots keep their colours
    few = picture.quantize(COLOURS, method, dither=Image.Dither.NONE)
    few.save(target, optimize=True, pnginfo=told)
    return target


def _write_json(file: Path, value: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    return file


MAKERS = {"pictures": make_pictures, "locales": make_locales, "blueprint": make_blueprint}


def main(wanted: list[str]) -> None:
    if not wanted or not set(wanted) <= set(MAKERS):
        sys.exit(f"usage: python -m tools.help {' | '.join(MAKERS)} ...")
    nodes, core = load_pack(ensure_tree(Places.from_environment()))
    for name in wanted:
        for file in MAKERS[name](nodes, core):
            print(file.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
