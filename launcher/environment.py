"""The Python environment in .venv: made once, finished if interrupted, renewed with its pins."""

import hashlib
import json
import os
import re
import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from . import repair
from .places import ROOT, Places
from .steps import StartError, run_logged, say, step

CONSTRAINTS = ROOT / "constraints.txt"
REQUIREMENTS = ROOT / "requirements.txt"
LOWEST = ROOT / "constraints-lowest.txt"
LOWEST_EXTRAS = ("constrain", "fit", "onnx")
"""Those that go with the lowest transformers; diffusers, of `train`, asks for version 5."""
LOWEST_TOOLS = ("fastapi", "hypothesis", "peft", "psutil", "pytest", "skia-python", "uvicorn")
NEEDED_GB = 5.0  # 2.4 GB stay (CPU build); the rest is what pip holds while it unpacks


def ensure_venv(places: Places) -> None:
    """Makes .venv; one that was interrupted half-way is made again."""
    if _has_working_pip(places):
        return
    check_free_space(places.home)
    broken = places.venv.exists()
    with step(f"{'half-made .venv made again' if broken else '.venv made'} in {places.home}"):
        _remove_half_made(places.venv)
        command: list[str | Path] = [sys.executable, "-m", "venv", places.venv]
        code, output = run_logged(command, places.log)
        if code != 0:
            raise StartError(
                f"`{' '.join(map(str, command))}` failed:\n{output}\n"
                "Python's venv module is needed (Debian: apt-get install python3-venv)."
            )


def ensure_packages(
    places: Places, tree: Path, *, extras: Sequence[str] = (), pins: Path = CONSTRAINTS
) -> None:
    """Installs torch, ComfyUI's requirements, ours and the named extras, all pinned.

    A stamp, written last, remembers what was installed from which pins: without it everything is
    gone through again, and pip keeps what is already there.
    """
    wanted = {"base": _digest(pins, REQUIREMENTS, tree / "requirements.txt")}
    if extras:
        wanted["extras"] = _digest(pins, ROOT / "pyproject.toml")
    stamp = places.venv / "emofeedback-installed.json"
    found = _read_stamp(stamp)
    missing = {name for name in wanted if found.get(name) != wanted[name]}
    if not missing:
        return
    # What an interrupted set-up has installed needs no room again.
    check_free_space(places.home, gb=NEEDED_GB - _size_gb(places.venv) if "base" in missing else 1)
    stamp.unlink(missing_ok=True)
    for name in drop_half_installed(places.site_packages):
        say(f"- {name} was half installed and is installed again")
    constraints = _constraints_for(tree, places, pins)
    if "base" in missing:
        _install_base(places, tree, constraints)
    if "extras" in missing:
        with step(f"packages for {' and '.join(extras)}"):
            tools = LOWEST_TOOLS if pins == LOWEST else ()
            pip_install(places, constraints, *_extra_requirements(extras), *tools)
    _write_atomically(stamp, json.dumps({**found, **wanted}))


def installed_version(places: Places, package: str) -> str:
    """The version of an installed package, with its build: "2.13.0+cpu"."""
    found = next(places.site_packages.glob(f"{package}-*.dist-info"), None)
    return found.name.removesuffix(".dist-info").partition("-")[2] if found else "missing"


def pip_install(places: Places, constraints: Path, *arguments: str | Path) -> None:
    """Runs pip in .venv; what fails is told in words.

    Raises: StartError: no network, full disk, or whatever pip said last.
    """
    pip: list[str | Path] = [
        places.python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
    ]
    title = f"pip {' '.join(map(str, arguments))}"
    command: list[str | Path] = [*pip, "install", "-c", constraints, *arguments]
    code, output = run_logged(command, places.log, title=title)
    if code != 0:
        raise StartError(explain_pip(output, places.log))


def explain_pip(output: str, log: Path) -> str:
    """A failed pip in words: what happened and what to do. `output`: its last lines."""
    again = "Nothing is lost: run the same command again and it goes on where it stopped."
    if "No space left on device" in output or "Errno 28" in output:
        return f"The disk filled up while pip was installing. Free some space. {again} (Log: {log})"
    lines = [line for line in output.splitlines() if "ERROR" in line] or output.splitlines()
    last = "\n".join(f"  {line.strip()}" for line in lines[-4:])
    unreachable = re.search(
        r"NewConnectionError|Max retries|ConnectTimeout|ReadTimeout|ProxyError|Name or service|"
        r"name resolution|Connection (refused|reset|broken)|from versions: none",
        output,
    )
    if unreachable:
        return (
            f"pip could not reach a package index:\n{last}\n"
            f"The first set-up needs the network (or PIP_INDEX_URL set to a mirror). {again}"
        )
    return f"pip failed:\n{last}\nThe whole output is in {log}. {again}"


def check_free_space(folder: Path, *, gb: float = NEEDED_GB) -> None:
    """Raises: StartError: the disk of `folder` has less than `gb`, and at least 1 GB, free."""
    existing = next(path for path in [folder, *folder.parents] if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    needed = max(gb, 1)
    if free < needed:
        raise StartError(
            f"The set-up needs about {needed:.0f} GB, but the disk of {folder} has {free:.1f} GB "
            "free. Free some space, or set EMOFEEDBACK_HOME to a folder on a larger disk."
        )


def drop_half_installed(site_packages: Path) -> list[str]:
    """Makes pip forget packages whose installation was cut off; returns their names.

    pip takes a package for installed once its metadata is there, although files may be missing;
    but the RECORD that names pip's own INSTALLER file is the last thing it writes.
    """
    dropped = []
    for info in sorted(site_packages.glob("*.dist-info")):
        record = info / "RECORD"
        if not record.is_file() or f"{info.name}/INSTALLER," not in record.read_text("utf-8"):
            shutil.rmtree(info)
            dropped.append(info.name.removesuffix(".dist-info"))
    for leftover in site_packages.glob("~*"):  # an uninstallation that was cut off
        shutil.rmtree(leftover, ignore_errors=True)
    return dropped


def _install_base(places: Places, tree: Path, constraints: Path) -> None:
    with step("torch"):
        pip_install(places, constraints, "torch")
    say(f"  torch {installed_version(places, 'torch')} is the build that the package index gives")
    # Their wheels may ask for another build's packages; torch has settled that question already.
    with step("torchvision and torchaudio"):
        pip_install(places, constraints, "--no-deps", "torchvision", "torchaudio")
    with step("what ComfyUI and the nodes require"):
        pip_install(places, constraints, "-r", tree / "requirements.txt", "-r", REQUIREMENTS)
    repair.ensure_importable(places)


def _constraints_for(tree: Path, places: Places, pins: Path) -> Path:
    """Our pins without those that this ComfyUI sets itself: a user's own may be another version."""
    exact = {
        _plain(line.split("==")[0])
        for line in (tree / "requirements.txt").read_text("utf-8").splitlines()
        if "==" in line and not line.lstrip().startswith("#")
    }
    lines = pins.read_text("utf-8").splitlines()
    kept = [line for line in lines if _plain(line.split("==")[0]) not in exact]
    path = places.comfyui / "constraints.txt"
    _write_atomically(path, "\n".join(kept) + "\n")
    return path


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).strip().lower()


def _extra_requirements(extras: Sequence[str]) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return sorted({line for name in extras for line in project["optional-dependencies"][name]})


def _has_working_pip(places: Places) -> bool:
    # Python's venv module writes the activation scripts last, after pip.
    if not places.python.exists() or not any(places.python.parent.glob("[Aa]ctivate*")):
        return False
    if (places.venv / "emofeedback-installed.json").exists():
        return True
    return run_logged([places.python, "-m", "pip", "--version"], places.log)[0] == 0


def _remove_half_made(venv: Path, *, patience_s: float = 60.0) -> None:
    """Removes the folder; what a killed set-up started may still be writing into it for a moment.

    Raises: StartError: it is still there after `patience_s` seconds.
    """
    deadline = time.monotonic() + patience_s
    while venv.exists():
        if time.monotonic() > deadline:
            raise StartError(f"{venv} is half made and cannot be removed. Delete it, run again.")
        shutil.rmtree(venv, ignore_errors=True)
        time.sleep(0.5)


def _size_gb(folder: Path) -> float:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read_stamp(stamp: Path) -> dict[str, str]:
    try:
        return dict(json.loads(stamp.read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
