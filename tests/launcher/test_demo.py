"""The demo command from end to end, on a real server."""

import json
from pathlib import Path

from PIL import Image


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
