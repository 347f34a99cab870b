"""Help pages, locale files and the blueprint follow from the nodes that there are."""

import asyncio
import json
from pathlib import Path

import pytest
from PIL import Image

from tools.help.blueprint import EDGE, ID, NAME, NAMES, WIDGETS, blueprint
from tools.help.graphs import links_of, minimal_graph
from tools.help.locales import (
    SETTINGS,
    node_words,
    page_words,
    setting_words,
    translated_words,
)
from tools.help.pack import core_facts, pack_facts

REMAKE = "Run `python -m tools.help {}` to make it anew."


@pytest.fixture(scope="module")
def facts(comfyui, pack_nodes):
    return pack_facts(pack_nodes), core_facts(comfyui)


def test_every_help_page_shows_the_node_in_its_smallest_graph(
    pack_nodes, facts, project_root: Path
) -> None:
    for node_id in pack_nodes:
        folder = project_root / "web" / "docs" / node_id
        page = (folder / "en.md").read_text(encoding="utf-8")
        # ComfyUI's page resolves pictures from web/docs, not from where the text lies.
        assert f"]({node_id}/graph.png)" in page, f"{node_id}: its page shows no graph.png"
        with Image.open(folder / "graph.png") as picture:
            shown = json.loads(picture.info["prompt"])
            assert picture.width <= 1000
        graph, _ = minimal_graph(node_id, *facts)
        assert shown == json.loads(json.dumps(graph)), f"{node_id}: {REMAKE.format('pictures')}"


def test_the_smallest_graphs_are_wired_as_the_nodes_ask(pack_nodes, facts) -> None:
    known = {**facts[1], **facts[0]}
    for node_id in pack_nodes:
        graph, about = minimal_graph(node_id, *facts)
        assert graph[about]["class_type"] == node_id
        for node in graph.values():
            for name, (origin, number) in links_of(node).items():
                giver = known.get(graph[origin]["class_type"])
                taker = known.get(node["class_type"])
                if giver and taker:
                    (socket,) = [each for each in taker.inputs if each.name == name]
                    assert giver.outputs[number].kind == socket.kind, f"{node_id}: {name}"
        asked = [s for s in known[node_id].inputs if not s.is_widget and not s.optional]
        assert {socket.name for socket in asked} <= set(graph[about]["inputs"])


def test_the_english_locale_says_what_nodes_and_settings_say(
    pack_nodes, project_root: Path
) -> None:
    script = SETTINGS.read_text(encoding="utf-8")
    settings = setting_words(script)
    assert len(settings) == script.count("defaultValue:") > 0
    wanted = {
        "nodeDefs": node_words(pack_nodes),
        "main": page_words(pack_nodes),
        "settings": settings,
    }
    for name, words in wanted.items():
        file = project_root / "locales" / "en" / f"{name}.json"
        kept = json.loads(file.read_text(encoding="utf-8"))
        assert kept == words, REMAKE.format("locales")


def test_other_locales_translate_what_there_is(project_root: Path) -> None:
    for file in project_root.glob("locales/*/*.json"):
        english = project_root / "locales" / "en" / file.name
        known = _paths(json.loads(english.read_text(encoding="utf-8")))
        assert _paths(json.loads(file.read_text(encoding="utf-8"))) <= known, file


@pytest.mark.parametrize("language", ["de", "es", "fr", "ja", "zh"])
def test_translations_are_remade_and_short_enough_to_be_titles(
    pack_nodes, project_root: Path, language: str
) -> None:
    wanted = translated_words(node_words(pack_nodes), language)
    file = project_root / "locales" / language / "nodeDefs.json"
    assert json.loads(file.read_text(encoding="utf-8")) == wanted, REMAKE.format("locales")
    assert len(wanted) > 0.8 * len(pack_nodes)
    titles = [words["display_name"] for words in wanted.values() if "display_name" in words]
    assert len(set(titles)) == len(titles)
    assert max(map(len, titles)) <= 32  # the title bar of a node of default width


def _paths(value: object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(value, dict):
        return {path}
    return set().union(*(_paths(each, (*path, key)) for key, each in value.items()))


def test_the_blueprint_is_the_middle_of_the_loop_workflow(project_root: Path) -> None:
    workflow = json.loads((project_root / "workflows" / "feedback_loop.json").read_text("utf-8"))
    file = project_root / "subgraphs" / f"{NAME}.json"
    assert json.loads(file.read_text(encoding="utf-8")) == blueprint(workflow), REMAKE.format(
        "blueprint"
    )


def test_comfyui_finds_the_blueprint_and_the_words_in_the_pack(
    comfyui, project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import folder_paths
    from app.custom_node_manager import CustomNodeManager
    from app.subgraph_manager import SubgraphManager

    (tmp_path / "emofeedback").symlink_to(project_root)
    monkeypatch.setattr(folder_paths, "get_folder_paths", lambda name: [str(tmp_path)])
    blocks = asyncio.run(SubgraphManager().get_custom_node_subgraphs(None))
    found = [(each["name"], each["info"]["node_pack"]) for each in blocks.values()]
    assert found == [(NAME, "custom_nodes.emofeedback")]
    words = CustomNodeManager().build_translations()["en"]
    assert words["nodeDefs"]["EmoFB_EndLoop"]["display_name"] == "End Emotion Loop"
    assert "emotion" in words["nodeCategories"]


def test_every_link_of_the_blueprint_fits_both_of_its_ends(project_root: Path) -> None:
    block = json.loads((project_root / "subgraphs" / f"{NAME}.json").read_text(encoding="utf-8"))
    (inside,) = block["definitions"]["subgraphs"]
    assert block["nodes"][0]["type"] == inside["id"] == ID
    nodes = {node["id"]: node for node in inside["nodes"]}
    for link in inside["links"]:
        if link["origin_id"] == -10:
            start = inside["inputs"][link["origin_slot"]]
            assert link["id"] in start["linkIds"]
        else:
            start = nodes[link["origin_id"]]["outputs"][link["origin_slot"]]
            assert link["id"] in start["links"]
        if link["target_id"] == -20:
            end = inside["outputs"][link["target_slot"]]
            assert end["linkIds"] == [link["id"]]
        else:
            end = nodes[link["target_id"]]["inputs"][link["target_slot"]]
            assert end["link"] == link["id"]
        assert start["type"] == end["type"] == link["type"]
    shown = [NAMES.get((kind, widget), widget) for kind, _, widget in WIDGETS]
    names = [entry["name"] for entry in inside["inputs"]]
    assert names == [*names[: len(EDGE)], *shown] and set(names[: len(EDGE)]) == set(EDGE.values())
    sockets = block["nodes"][0]["inputs"]
    assert [entry["name"] for entry in sockets if "widget" in entry] == shown
    assert len(block["nodes"][0]["widgets_values"]) == len(shown)
