"""Reports and charts at the end of real runs."""

import json
import urllib.parse

from tools.comfy_client import Comfy, only, workflow


def test_a_run_leaves_its_report_and_its_cues(default_comfy: Comfy) -> None:
    graph = workflow("feedback_loop", EmoFB_StartLoop={"rounds": 1, "seed": 81})
    end = only(graph, "EmoFB_EndLoop")
    graph["90"] = {
        "class_type": "EmoFB_EmotionReport",
        "inputs": {"state": [end, 6], "filename_prefix": "emofeedback/report"},
    }
    graph["91"] = {
        "class_type": "EmoFB_CuesOnPicture",
        "inputs": {"images": [end, 1], "readings": [end, 3], "theme": "dark", "size": 512},
    }
    graph["92"] = {"class_type": "PreviewImage", "inputs": {"images": ["91", 0]}}
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    files = run.outputs["90"]["emofb_files"]
    texts = {file["filename"].rsplit(".", 1)[1]: _read(default_comfy, file) for file in files}
    assert json.loads(texts["json"]) == run.report
    assert texts["html"].count("data:image/jpeg") == 2
    assert len(texts["csv"].splitlines()) == 3
    assert len(run.outputs["92"]["images"]) == 1  # a loop explains the best of a round


def test_a_grid_ends_in_a_map_and_a_sweep(default_comfy: Comfy) -> None:
    graph = workflow("emotion_grid")
    grid, models = only(graph, "EmoFB_EmotionGrid"), only(graph, "EmoFB_LoadEmbedded")
    graph["90"] = {
        "class_type": "EmoFB_ScoreEmotion",
        "inputs": {
            "images": [only(graph, "VAEDecode"), 0],
            "scorer": [models, 3],
            "prompt": "",
            "explain": False,
        },
    }
    common = {"targets": [grid, 0], "readings": ["90", 0], "theme": "light", "size": 320}
    graph["91"] = {"class_type": "EmoFB_EmotionErrorMap", "inputs": common}
    graph["92"] = {"class_type": "EmoFB_EmotionSweep", "inputs": {**common, "axis": "arousal"}}
    for number, chart in ((93, "91"), (94, "92")):
        graph[str(number)] = {"class_type": "PreviewImage", "inputs": {"images": [chart, 0]}}
    run = default_comfy.run(graph)
    assert run.end == "execution_success", run.message
    assert len(run.outputs["93"]["images"]) == len(run.outputs["94"]["images"]) == 1


def _read(comfy: Comfy, file: dict[str, str]) -> str:
    return comfy.server.read(f"/view?{urllib.parse.urlencode(file)}").decode()
