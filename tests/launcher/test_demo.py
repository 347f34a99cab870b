"""The demo command from end to end, on a real server; and on a disk that is full."""

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from launcher.demo import save
from launcher.server import ComfyServer
from launcher.steps import StartError


def test_the_demo_leaves_pictures_and_a_report_that_agree(
    start, made_home: Path, tmp_path: Path
) -> None:
    options = ["--prompt", "a dog in the forest", "--valence", "-2", "--arousal", "2.5"]
    options += ["--rounds", "2", "--candidates", "3", "--seed", "11", "--output", str(tmp_path)]
    child = start("demo", *options, home=made_home, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    output = child.communicate(timeout=300)[0]
    assert child.returncode == 0, output

    [folder] = tmp_path.iterdir()
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert report["prompt"] == "a dog in the forest"
    assert (report["target"]["valence"], report["target"]["arousal"]) == (-2.0, 2.5)
    assert report["stop_reason"]
    assert report["cost"]["pictures"] == 3 * len(report["rounds"])
    for record in report["rounds"]:
        assert len(record["readings"]) == 3
        assert record.keys() >= {"prompt", "suggestions", "gap", "seconds", "steps", "tokens"}
        assert all(len(reading["uncertainty"]) == 2 for reading in record["readings"])

    names = {file.name for file in folder.iterdir()}
    candidates = {
        f"round-{record['round']}-candidate-{number}.png"
        for record in report["rounds"]
        for number in (1, 2, 3)
    }
    assert names == candidates | {"best.png", "chart.png", "overview.png", "report.json"}
    best = folder / f"round-{report['best']['round']}-candidate-{report['best']['candidate']}.png"
    with Image.open(folder / "best.png") as shown, Image.open(best) as candidate:
        assert shown.tobytes() == candidate.tobytes()
    assert all(str(folder / name) in output for name in names)
    assert f"gap {report['best']['gap']['size']:.2f}" in output


class Viewer(BaseHTTPRequestHandler):
    """Answers as ComfyUI's /view does, always with one picture."""

    def do_GET(self) -> None:
        stream = BytesIO()
        Image.effect_noise((256, 256), 50).save(stream, "PNG")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(stream.getvalue())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.mark.parametrize("left", [0, 100_000])
def test_on_a_full_disk_the_demo_says_where_the_pictures_are(
    tiny_disk: Path, fill_disk: Callable[[int], None], tmp_path: Path, left: int
) -> None:
    report = {
        "target": {"valence": 1, "arousal": 1}, "best": {"round": 1, "candidate": 1},
        "rounds": [{"round": 1, "prompt": "a boat", "readings": [{"valence": 0, "arousal": 0}],
                    "best": 1, "gap": {"size": 1.0}}],
    }  # fmt: skip
    image = {"filename": "x.png", "subfolder": "emofeedback", "type": "output"}
    pictures = {name: [image] for name in ("best", "chart", "candidates")}
    viewer = ThreadingHTTPServer(("127.0.0.1", 0), Viewer)
    threading.Thread(target=viewer.serve_forever, daemon=True).start()
    server = ComfyServer(
        Path(sys.executable), tmp_path, tmp_path / "base", log=tmp_path / "log",
        port=viewer.server_address[1],
    )  # fmt: skip
    fill_disk(left)
    with pytest.raises(StartError, match="(?s)No space left.*pictures are kept in.*--output") as e:
        save(server, report, pictures, tiny_disk)
    viewer.shutdown()
    viewer.server_close()
    assert str(tmp_path / "base" / "output" / "emofeedback") in str(e.value)
    assert [file.name for file in tiny_disk.iterdir()] == ["others"]
