"""The folder of a run: how it began, whether anything is in it, and which one is meant."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from emofeedback.errors import CheckpointError
from emofeedback.records.files import write_json

from ..settings.files import CONFIG_FILE

BEGUN_FILE = "run.json"
PACKAGES = ("torch", "accelerate", "diffusers", "transformers", "peft", "trl", "deepspeed")
WORK = ("checkpoints/step-*/state.json", "start/checkpoints/step-*/state.json", "before.json",
        "*.safetensors", "scorer", "[1-4]-*")  # fmt: skip
"""What a run that has got anywhere leaves."""


def has_work(folder: Path) -> bool:
    """Whether a run in the folder has anything to lose or to go on with."""
    return any(next(folder.glob(pattern), None) is not None for pattern in WORK)


def write_beginning(folder: Path) -> None:
    """Command, commit, versions and hardware, one entry each time that the run is begun."""
    path = folder / BEGUN_FILE
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        earlier = []
    write_json(path, [*earlier, beginning()])


def beginning() -> dict[str, Any]:
    """What a run can be made again from."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": [sys.executable, *sys.argv],
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "machine": platform.platform(),
        "cpus": os.cpu_count(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def forget(folder: Path, *, whole: bool) -> None:
    """Remove what a start that failed has left.

    Args:
        whole: the folder was made by this start; else only its own files go.
    """
    if whole:
        shutil.rmtree(folder, ignore_errors=True)
    for name in (CONFIG_FILE, BEGUN_FILE):
        (folder / name).unlink(missing_ok=True)


def latest_run(runs: Path) -> Path:
    """The run in a folder of runs that was at work last; starts that failed do not count.

    Raises: CheckpointError: there is none.
    """
    found = [path.parent for path in runs.glob(f"*/{CONFIG_FILE}") if has_work(path.parent)]
    if not found:
        raise CheckpointError(
            f"There is no run to resume in {runs}: no folder there holds a checkpoint. Name one "
            "with --resume RUN."
        )
    return max(found, key=lambda run: max(path.stat().st_mtime for path in run.iterdir()))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _git(*words: str) -> str:
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", *words], cwd=here, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
