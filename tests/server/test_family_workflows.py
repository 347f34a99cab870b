"""The workflows for real model families: every node, input, option and link, and two of them run.

The files they name are not there in tests. Empty files of the same names in the folders that the
workflows name show that each loader would find its own; the two that run get small random ones.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from family_files import TINY_FILES, write_tiny_file
from graph_check import problems_of
from PIL import Image

from emofeedback.refining.instructions import SHOW
from tools.browser import OTHER_PACKS
from tools.comfy_client import WORKFLOWS, Comfy, Graph, Run, only, start_comfy, workflow
from tools.workflows.stand_ins import EDITOR_TEXT, SHOWN, drawn_twin

TEXT_ENCODER_LOADERS = ("TripleCLIPLoader", "DualCLIPLoader")
EMBEDDED = "EmoFB_LoadEmbedded"


def documents() -> dict[str, dict[str, Any]]:
    """The UI workflows that name model files."""
    found = {}
    for file in sorted(WORKFLOWS.parent.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        if any("models" in node["properties"] for node in document["nodes"]):
            found[file.stem] = document
    return found


FAMILIES = documents()


def model_links(document: dict[str, Any]) -> list[dict[str, str]]:
    return [m for node in document["nodes"] for m in node["properties"].get("models", ())]


@pytest.fixture(scope="module")
def families(
    comfyui: ModuleType, comfyui_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Comfy]:
    """A server whose model folders hold every file that the workflows name."""
    folder = tmp_path_factory.mktemp("families")
    models = folder / "base" / "models"
    for document in FAMILIES.values():
        for link in model_links(document):
            (models / link["directory"]).mkdir(parents=True, exist_ok=True)
            (models / link["directory"] / link["name"]).touch()
    for place in TINY_FILES:
        write_tiny_file(models, place)
    (folder / "base" / "input").mkdir()
    example = Image.effect_noise((64, 64), 60).convert("RGB")
    example.save(folder / "base" / "input" / "example.png")  # ComfyUI brings one in its own place
    (folder / "base" / "custom_nodes").mkdir()
    support = Path(__file__).parents[1] / "support"
    for file in (OTHER_PACKS, support / "tiny_editor.py"):
        (folder / "base" / "custom_nodes" / file.name).symlink_to(file)
    stand_in = support / "tiny_text_encoders.py"
    with start_comfy(comfyui_tree, folder, (), extra_node=stand_in) as server:
        yield Comfy(server, "families")


def test_there_is_a_workflow_for_every_family() -> None:
    assert set(FAMILIES) == {
        "sd35_feedback_loop",
        "flux_feedback_loop",
        "sdxl_feedback_loop",
        "sdxl_low_vram_feedback_loop",
        "sdxl_emotion_sampler",
        "flux_gguf_feedback_loop",
        "inpaint_feedback_loop",
        "edit_feedback_loop",
        "turbo_emotion_path",
        "change_the_mood_of_a_picture",
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_every_file_of_a_workflow_has_a_link_where_the_template_browser_reads_it(
    name: str,
) -> None:
    for node in FAMILIES[name]["nodes"]:
        values = [
            v for v in node.get("widgets_values", ()) if str(v).endswith((".safetensors", ".gguf"))
        ]
        links = node["properties"].get("models", [])
        assert sorted(values) == sorted(link["name"] for link in links), node["type"]
        for link in links:
            assert set(link) == {"name", "url", "directory"}
            assert link["url"].startswith("https://huggingface.co/")
            assert "/resolve/main/" in link["url"] and link["url"].endswith("/" + link["name"])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_real_server_has_every_node_input_and_option_of_a_workflow(
    families: Comfy, name: str
) -> None:
    graph = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    info = families.server.get("/object_info", timeout_s=60)
    assert problems_of(graph, info) == []


def test_the_check_of_a_graph_finds_what_is_wrong(families: Comfy) -> None:
    info = families.server.get("/object_info", timeout_s=60)
    whole = json.loads((WORKFLOWS / "sd35_feedback_loop.json").read_text(encoding="utf-8"))
    for change, expected in (
        ({"class_type": "KSamplr"}, "there is no node KSamplr"),
        ({"sampler_name": "eulr"}, "sampler_name is 'eulr'"),
        ({"cfg": 200.0}, "cfg is 200.0"),
        ({"steps": None}, "steps is missing"),
        ({"strength": 1.0}, "strength is unknown"),
        ({"positive": ["1", 0]}, "positive takes CONDITIONING and gets MODEL"),
        ({"positive": ["99", 0]}, "positive leads nowhere"),
    ):
        graph = json.loads(json.dumps(whole))
        node = graph["10"]
        node["class_type"] = change.pop("class_type", node["class_type"])
        node["inputs"] |= change
        node["inputs"] = {name: v for name, v in node["inputs"].items() if v is not None}
        assert any(expected in problem for problem in problems_of(graph, info)), expected


def with_tiny_text_encoders(graph: Graph) -> Graph:
    """The same graph with a small CLIP in the place of each text encoder loader."""
    for node_id, node in graph.items():
        if node["class_type"] in TEXT_ENCODER_LOADERS:
            node |= {"class_type": EMBEDDED, "inputs": {}}
            for other in graph.values():
                for name, value in other["inputs"].items():
                    if value == [node_id, 0]:
                        other["inputs"][name] = [node_id, 1]
        elif node["class_type"] == "CLIPLoader":
            node |= {"class_type": "TinyVisionLanguageModel", "inputs": {}}
    return graph


@pytest.mark.parametrize("name", ["sd35_feedback_loop", "flux_feedback_loop"])
def test_a_loop_runs_to_the_end_with_small_files_under_the_real_names(
    families: Comfy, name: str
) -> None:
    graph = workflow(
        name,
        EmptySD3LatentImage={"width": 64, "height": 64},
        EmoFB_StartLoop={"candidates": 2, "rounds": 2, "tolerance": 0.0, "content_floor": 0.0},
        EmoFB_ScoreRound={"explain": False},
    )
    run = families.run(with_tiny_text_encoders(graph))
    assert run.end == "execution_success", run.message
    rounds = run.report["rounds"]
    assert [len(each["readings"]) for each in rounds] == [2, 2]
    assert len(run.images("candidates_")) == 4
    assert all(each["prompt"].startswith(rounds[0]["prompt"]) for each in rounds)
    assert run.runs_of("KSampler") == 2


SHORT = {"candidates": 2, "rounds": 2, "tolerance": 0.0, "content_floor": 0.0}


def instructions_of(run: Run) -> list[str]:
    """The instruction of each round, after what holds for every loop of edits."""
    assert run.end == "execution_success", run.message
    rounds = run.report["rounds"]
    assert [len(each["readings"]) for each in rounds] == [2, 2]
    kept = [reading["content"] for each in rounds for reading in each["readings"]]
    assert all(0 < share < 1 for share in kept), "the kept share of the original"
    assert len(set(kept)) == 4, "each edit is compared for itself"
    return [each["prompt"] for each in rounds]


def test_a_picture_is_edited_by_instructions_with_the_embedded_models(families: Comfy) -> None:
    graph = drawn_twin(
        workflow("edit_feedback_loop", EmoFB_StartLoop=SHORT, EmoFB_ScoreRound={"explain": False})
    )
    for node in graph.values():
        if node["class_type"] == "KSampler":
            node["inputs"]["steps"] = 3
    told = instructions_of(families.run(graph))
    assert all(words.startswith(f"{SHOWN}, {SHOW} ") for words in told)


@pytest.mark.skipif(
    "EMOFEEDBACK_SLOW" not in os.environ,
    reason="half a minute, most of it core's encoding of a picture at 1024 px: EMOFEEDBACK_SLOW=1",
)
def test_a_qwen_image_edit_graph_edits_with_a_small_editor(families: Comfy) -> None:
    graph = workflow(
        "edit_feedback_loop",
        EmoFB_StartLoop=SHORT,
        EmoFB_ScoreRound={"explain": False},
        ImageScaleToTotalPixels={"megapixels": 0.01},
    )
    own = graph[only(graph, "EmoFB_StartLoop")]["inputs"]["prompt"]
    for node_id, node in graph.items():
        kind, output = node["class_type"], 0
        if kind == "CLIPLoader" and node["inputs"]["type"] == "qwen_image":
            output = 1
        elif kind != "UNETLoader":
            continue
        node |= {"class_type": "TinyQwenImageEdit", "inputs": {}}
        for other in graph.values():
            for name, value in other["inputs"].items():
                if value == [node_id, 0]:
                    other["inputs"][name] = [node_id, output]
    run = families.run(with_tiny_text_encoders(graph))
    assert all(words.startswith(f"{own}, ") for words in instructions_of(run))
    assert run.runs_of(EDITOR_TEXT) == 3, "an instruction a round, and nothing to avoid"


def test_a_kontext_graph_edits_with_small_files_under_the_real_names(families: Comfy) -> None:
    graph = workflow(
        "edit_feedback_loop",
        EmoFB_StartLoop=SHORT,
        EmoFB_ScoreRound={"explain": False},
        ImageScaleToTotalPixels={"megapixels": 0.01},
        UNETLoader={"unet_name": "flux1-dev.safetensors"},
        VAELoader={"vae_name": "ae.safetensors"},
    )
    own = graph[only(graph, "EmoFB_StartLoop")]["inputs"]["prompt"]
    (latent,) = (n for n, node in graph.items() if node["class_type"] == "VAEEncode")
    unet = only(graph, "UNETLoader")
    for node_id, node in list(graph.items()):
        if node["class_type"] == EDITOR_TEXT:
            text = {"clip": node["inputs"]["clip"], "text": node["inputs"]["prompt"]}
            graph[f"{node_id}0"] = {"class_type": "CLIPTextEncode", "inputs": text}
            seen = {"conditioning": [f"{node_id}0", 0], "latent": [latent, 0]}
            graph[node_id] = {"class_type": "ReferenceLatent", "inputs": seen}
        elif node["class_type"] == "KSampler":
            node["inputs"]["model"] = [unet, 0]
        elif node["class_type"] == "CLIPLoader" and node["inputs"]["type"] == "qwen_image":
            graph[node_id] = {"class_type": EMBEDDED, "inputs": {}}
            for other in graph.values():
                if other["inputs"].get("clip") == [node_id, 0]:
                    other["inputs"]["clip"] = [node_id, 1]
    for kind in ("ModelSamplingAuraFlow", "CFGNorm"):
        del graph[only(graph, kind)]
    told = instructions_of(families.run(with_tiny_text_encoders(graph)))
    assert all(words.startswith(f"{own}, ") for words in told)
