"""The session that is prepared for a GPU: each of its parts works at tiny shapes on a CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "gpu_session.sh"


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_every_part_of_the_session_runs(tmp_path: Path) -> None:
    environment = os.environ | {"OUT": str(tmp_path), "PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", str(SCRIPT), "--dry-run"], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    logs = {path.stem: path.read_text("utf-8") for path in tmp_path.glob("*.log")}
    assert done.returncode == 0, logs
    summary = (tmp_path / "summary.txt").read_text("utf-8").splitlines()
    assert [line.split(":")[0] for line in summary] == ["true-shape", "training", "world"]
    assert "efficiency" in logs["true-shape"] and "reasons cost" in logs["true-shape"]
