"""The session that is prepared for a GPU: each of its parts works at tiny shapes on a CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "gpu_session.sh"
TELLS = {
    "true-shape": ("efficiency", "the shape of public flow_grpo", "reasons cost"),
    "alternating-20": ("generator changes places", "reader    changes places"),
    "training": ("step 1, 1 pictures", "drawn_lora.safetensors"),
    "world": ("step 1, loss",),
}


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_every_part_of_the_session_runs(tmp_path: Path, comfyui_tree: Path) -> None:
    environment = os.environ | {
        "OUT": str(tmp_path), "PYTHON": sys.executable, "COMFYUI_PATH": str(comfyui_tree),
    }  # fmt: skip
    done = subprocess.run(
        ["sh", str(SCRIPT), "--dry-run"], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    logs = {path.stem: path.read_text("utf-8") for path in tmp_path.glob("*.log")}
    assert done.returncode == 0, logs
    summary = (tmp_path / "summary.txt").read_text("utf-8").splitlines()
    assert [line.split(":")[0] for line in summary] == list(TELLS)
    for part, told in TELLS.items():
        assert all(each in logs[part] for each in told), (part, logs[part])
