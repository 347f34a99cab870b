"""Score Folder on a real server: a table, a sheet, and nothing read twice."""

import csv
from pathlib import Path

from PIL import Image

from emofeedback.embedded.examples import drawn_examples
from tools.comfy_client import Comfy, Graph, Run


def asked(folder: str) -> Graph:
    return {
        "1": {"class_type": "EmoFB_LoadEmbedded", "inputs": {}},
        "2": {
            "class_type": "EmoFB_ScoreFolder",
            "inputs": {
                "folder": folder, "scorer": ["1", 3], "table": "rated/scores.csv", "prompt": "",
            },
        },
        "3": {
            "class_type": "SaveImage",
            "inputs": {"images": ["2", 1], "filename_prefix": "emofeedback/contact"},
        },
    }  # fmt: skip


def test_a_folder_is_read_once_and_what_is_new_is_added(default_comfy: Comfy) -> None:
    base = default_comfy.server.base
    folder = base / "input" / "to-score"
    folder.mkdir(parents=True)
    for number, picture in enumerate(drawn_examples()[:3]):
        pixels = (picture * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    table = base / "output" / "rated" / "scores.csv"

    def rows() -> dict[str, dict[str, str]]:
        with table.open(encoding="utf-8", newline="") as file:
            return {Path(row["picture"]).name: row for row in csv.DictReader(file)}

    run: Run = default_comfy.run(asked("to-score"))
    assert run.end == "execution_success", run.message
    assert len(run.images("contact")) == 1
    first = rows()
    assert set(first) == {"0.png", "1.png", "2.png", "broken.png"}
    assert [name for name, row in first.items() if row["error"]] == ["broken.png"]
    assert run.progress_of("2")[-1][0] == run.progress_of("2")[-1][1]
    assert any("3 of 4 pictures" in text for node, text in run.texts if node == "2")

    Image.new("RGB", (32, 32), (250, 200, 90)).save(folder / "late.png")
    again = default_comfy.run(asked("to-score"))
    assert again.end == "execution_success", again.message
    second = rows()
    assert set(second) == {*first, "late.png"}
    assert all(second[name] == row for name, row in first.items() if not row["error"])

    refused = default_comfy.run(asked("../output"))
    assert "lies outside ComfyUI's input folder" in refused.message
