"""What every node promises: ids and inputs that stay, and words that explain them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from texts import NAMES, texts

GOLDEN = Path(__file__).parents[1] / "golden" / "nodes.json"
WORKFLOWS = Path(__file__).parents[2] / "workflows" / "api"
HEAVY = ("diffusers", "peft", "trl", "accelerate", "matplotlib", "openai")
MOST_SHARE = 0.05
"""Of the processor time that ComfyUI takes to import itself: 0.02 to 0.03, on any machine."""
MOST_WIDGETS = 12  # what Emotion Feedback needs to stand for KSampler and its neighbours
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3")


def layout(node: type) -> dict:
    """Ids of a node's inputs and names and types of its outputs, in order."""
    schema = node.GET_SCHEMA()
    return {
        "inputs": [[item.id, item.get_io_type()] for item in schema.inputs],
        "outputs": [[item.display_name, item.get_io_type()] for item in schema.outputs],
    }


RENAMED = {
    "Start Emotion Loop": "Start Loop",
    "End Emotion Loop": "End Loop",
    "Load Emotion Checkpoint": "Load Checkpoint",
}
"""Names that core uses too became ours; ids, and the words that find a node, stay."""


def test_nodes_say_what_they_are(pack_nodes: dict[str, type]) -> None:
    for node_id, node in pack_nodes.items():
        schema = node.GET_SCHEMA()
        first_name = RENAMED.get(schema.display_name, schema.display_name)
        assert node_id == f"EmoFB_{first_name.replace(' ', '')}"
        assert first_name == schema.display_name or first_name.lower() in schema.search_aliases
        assert schema.category.split("/")[0] == "emotion"
        assert schema.description.endswith(".")
        assert schema.search_aliases


def test_texts_name_nodes_and_sockets_that_there_are(pack_nodes: dict[str, type]) -> None:
    schemas = [node.GET_SCHEMA() for node in pack_nodes.values()]
    assert sorted(NAMES.values()) == sorted(schema.display_name for schema in schemas)
    of_node = {
        (schema.display_name, side, name)
        for schema in schemas
        for side, names in (
            ("input", [item.id for item in schema.inputs]),
            ("output", [item.display_name for item in schema.outputs]),
        )
        for name in names
    }
    known = {(side, name) for _, side, name in of_node}
    node = "|".join(NAMES.values())
    for file, text in texts("nodes"):
        told = re.findall(r"(?:'s|[Tt]he|[Ii]ts) (\w+) (input|output)\b(?! folder)", text)
        assert {(side, name) for name, side in told} <= known, (file.name, text)
        theirs = re.findall(rf"({node})'s (\w+) (input|output)\b", text)
        theirs += [(n, *rest) for *rest, n in re.findall(rf"(\w+) (output) of ({node})", text)]
        assert {(n, side, name) for n, name, side in theirs} <= of_node, (file.name, text)


def test_search_finds_nodes_by_words_of_others(pack_nodes: dict[str, type]) -> None:
    for node_id, node in pack_nodes.items():
        schema = node.GET_SCHEMA()
        aliases = schema.search_aliases
        assert aliases == [alias.lower().strip() for alias in aliases], node_id
        assert len(aliases) == len(set(aliases)) >= 2, node_id
        assert schema.display_name.lower() not in aliases, node_id


def test_few_widgets_show_at_first_and_what_is_advanced_works_untouched(
    pack_nodes: dict[str, type],
) -> None:
    for node_id, node in pack_nodes.items():
        widgets = [item for item in node.GET_SCHEMA().inputs if item.get_io_type() in WIDGETS]
        shown = [item.id for item in widgets if not item.advanced]
        assert len(shown) <= MOST_WIDGETS, f"{node_id} shows {shown}: mark some as advanced"
        for item in widgets:
            assert not item.advanced or item.default is not None, f"{node_id}: {item.id}"


def test_sockets_that_must_be_wired_come_before_those_that_may(
    pack_nodes: dict[str, type],
) -> None:
    for node_id, node in pack_nodes.items():
        inputs = node.GET_SCHEMA().inputs
        links = [item.optional for item in inputs if item.get_io_type() not in WIDGETS]
        assert links == sorted(links), node_id


def test_every_workflow_has_a_square_thumbnail_and_a_twin(project_root: Path) -> None:
    workflows = sorted((project_root / "workflows").glob("*.json"))
    assert workflows
    for file in workflows:
        with Image.open(file.with_suffix(".jpg")) as picture:
            assert picture.width == picture.height >= 256, file
        assert (file.parent / "api" / file.name).is_file()


def test_every_input_and_output_has_a_tooltip(pack_nodes: dict[str, type]) -> None:
    for node_id, node in pack_nodes.items():
        schema = node.GET_SCHEMA()
        for item in [*schema.inputs, *schema.outputs]:
            assert item.tooltip, f"{node_id}: {item.id}"


def test_every_prompt_box_knows_dynamic_prompts(pack_nodes: dict[str, type]) -> None:
    boxes = [
        (node_id, item.id, item.dynamic_prompts)
        for node_id, node in pack_nodes.items()
        for item in node.GET_SCHEMA().inputs
        if item.get_io_type() == "STRING" and item.multiline
    ]
    assert len(boxes) >= 8
    assert [box for box in boxes if not box[2]] == []


def test_every_node_has_a_help_page(pack_nodes: dict[str, type], project_root: Path) -> None:
    pages = {file.parent.name: file for file in project_root.glob("web/docs/*/en.md")}
    assert set(pages) == set(pack_nodes)
    for node_id, file in pages.items():
        title = pack_nodes[node_id].GET_SCHEMA().display_name
        assert file.read_text(encoding="utf-8").startswith(f"# {title}\n")


def test_numbers_have_a_range_and_a_step(pack_nodes: dict[str, type]) -> None:
    for node_id, node in pack_nodes.items():
        for item in node.GET_SCHEMA().inputs:
            if item.get_io_type() == "FLOAT":
                assert item.step is not None, f"{node_id}: {item.id}"
            if item.get_io_type() in ("FLOAT", "INT"):
                assert item.min is not None, f"{node_id}: {item.id}"
                assert item.max is not None, f"{node_id}: {item.id}"


def test_saved_workflows_keep_opening(pack_nodes: dict[str, type]) -> None:
    # Ids and their order are kept for ever: a workflow stores widget values by position. New
    # inputs and outputs go to the end, and then into the golden file.
    for node_id, kept in json.loads(GOLDEN.read_text(encoding="utf-8")).items():
        now = layout(pack_nodes[node_id])
        for side in ("inputs", "outputs"):
            assert now[side][: len(kept[side])] == kept[side], node_id
    assert set(json.loads(GOLDEN.read_text(encoding="utf-8"))) == set(pack_nodes)


def test_importing_the_pack_is_quick_and_light(comfyui_tree: Path, project_root: Path) -> None:
    script = f"""
import asyncio, importlib.util, json, sys, time
sys.path.insert(0, {str(comfyui_tree)!r})
from comfy.cli_args import args
args.cpu = True
started = time.process_time()
import nodes, server
own = time.process_time() - started
before = set(sys.modules)
started = time.process_time()
root = {str(project_root)!r}
spec = importlib.util.spec_from_file_location(
    "pack", root + "/__init__.py", submodule_search_locations=[root]
)
pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
share = (time.process_time() - started) / own
new = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(json.dumps([share, sorted(new & set({HEAVY!r}))]))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    share, heavy = json.loads(run.stdout.splitlines()[-1])
    assert heavy == []
    assert share < MOST_SHARE  # within one run: seconds differ from machine to machine


@pytest.mark.parametrize("name", sorted(file.stem for file in WORKFLOWS.glob("*.json")))
def test_workflows_name_every_input_of_our_nodes(
    name: str, pack_nodes: dict[str, type], project_root: Path
) -> None:
    graph = json.loads((project_root / "workflows" / "api" / f"{name}.json").read_text("utf-8"))
    for node in graph.values():
        if node["class_type"] in pack_nodes:
            schema = pack_nodes[node["class_type"]].GET_SCHEMA()
            required = {item.id for item in schema.inputs if not item.optional}
            given = {name.split(".")[0] for name in node["inputs"]}  # "kind.clip" belongs to kind
            assert required <= given <= {item.id for item in schema.inputs}
