"""What start.py does when its set-up is cut off, has no network, or no room."""

import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from launcher import comfyui, environment
from launcher.places import ROOT, Places
from launcher.server import HOST
from launcher.steps import StartError

SET_UP = "from launcher.command import set_up; from launcher.places import Places; "
SET_UP += "set_up(Places.from_environment())"


@pytest.fixture
def small_tree(tmp_path: Path) -> Path:
    """What set-up looks at in a ComfyUI of the user's, with short requirements."""
    tree = tmp_path / "ComfyUI"
    tree.mkdir()
    for name in ("main.py", "nodes.py"):
        (tree / name).touch()
    (tree / "comfyui_version.py").write_text('__version__ = "0.31.2"\n')
    (tree / "requirements.txt").write_text("torch\ntorchvision\ntorchaudio\nnumpy\neinops==0.8.1\n")
    return tree


def test_a_set_up_killed_in_every_phase_is_finished_by_the_next_run(
    tmp_path: Path, small_tree: Path
) -> None:
    places = Places(tmp_path / "home")
    site = places.venv / "lib"
    pip_in_venv = "python3*/site-packages/pip/__init__.py"
    _kill_set_up_when(places, lambda: any(site.glob(pip_in_venv)))
    _kill_set_up_when(places, lambda: (places.comfyui / "src.part").exists())
    _kill_set_up_when(places, lambda: (places.site_packages / "torch" / "_tensor.py").exists())
    assert (places.comfyui / "src" / "main.py").is_file()

    finished = _run_set_up(places, COMFYUI_PATH=str(small_tree))
    assert finished.returncode == 0, finished.stdout
    assert any(places.python.parent.glob("[Aa]ctivate*"))  # the first kill fell before them
    script = "import torch, torchvision, einops; print(torch.__version__, einops.__version__)"
    asked = subprocess.run([places.python, "-c", script], capture_output=True, text=True)
    assert asked.stdout.split()[0].startswith("2.13.0"), asked.stderr
    assert asked.stdout.split()[1] == "0.8.1"  # this ComfyUI's own pin, not ours
    assert list(small_tree.iterdir()) and not (small_tree / "custom_nodes").exists()

    again = _run_set_up(places, COMFYUI_PATH=str(small_tree), **_no_network())
    assert again.returncode == 0, again.stdout
    assert again.stdout == ""


def test_without_a_network_the_first_set_up_says_so_and_keeps_what_it_has(start, tmp_path) -> None:
    child = start("demo", COMFYUI_PATH="", **_no_network())
    output = child.communicate(timeout=120)[0]
    assert child.returncode == 1
    assert "could not reach a package index" in output
    assert "run the same command again" in output
    assert "Traceback" not in output
    assert Places(tmp_path).python.exists()


def test_a_full_disk_is_noticed_before_anything_is_made(start, tiny_disk: Path) -> None:
    child = start("demo", home=tiny_disk)
    output = child.communicate(timeout=60)[0]
    assert child.returncode == 1
    assert "needs about 5 GB" in output
    assert "0.1 GB free" in output
    assert not (tiny_disk / ".venv").exists()


def test_a_disk_that_fills_up_while_pip_works_is_named(tiny_disk: Path, tmp_path: Path) -> None:
    places = Places(tiny_disk)
    subprocess.run([sys.executable, "-m", "venv", places.venv], check=True)
    elsewhere = Places(tmp_path / "made")  # its log: the full disk could not hold a line
    elsewhere.log.parent.mkdir(parents=True)
    full = _Venv(places, elsewhere)
    with pytest.raises(StartError, match="disk filled up"):
        environment.pip_install(full, environment.CONSTRAINTS, "--no-deps", "matplotlib", "scipy")


def test_half_installed_packages_are_forgotten_and_whole_ones_kept(tmp_path: Path) -> None:
    for name, record in {"whole": "whole-1.dist-info/INSTALLER,,\n", "cut": "cut/x.py,,\n"}.items():
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "RECORD").write_text(record)
    (tmp_path / "~ld").mkdir()
    assert environment.drop_half_installed(tmp_path) == ["cut-1"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["whole-1.dist-info"]


def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bad.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(f"{comfyui.INSIDE}/../../../../escaped")
        member.size = 4
        tar.addfile(member, BytesIO(b"evil"))
    with pytest.raises(StartError, match="not to be trusted"):
        comfyui.unpack(archive, tmp_path / "a" / "b" / "src")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (None, "there is no such folder"),
        ([], "holds no main.py and no requirements.txt"),
        (["main.py", "requirements.txt", "nodes.py"], "older than its version file"),
    ],
)
def test_a_wrong_comfyui_path_is_explained(tmp_path, monkeypatch, files, told) -> None:
    tree = tmp_path / "mine"
    if files is not None:
        tree.mkdir()
        for name in files:
            (tree / name).touch()
    monkeypatch.setenv("COMFYUI_PATH", str(tree))
    with pytest.raises(StartError, match=told) as caught:
        comfyui.ensure_tree(Places(tmp_path))
    assert str(tree) in str(caught.value)


def test_the_pack_is_seen_again_after_the_project_was_moved(tmp_path: Path) -> None:
    places = Places(tmp_path)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        base = comfyui.ensure_base(places, tmp_path / name)
        (tmp_path / name / "seen").touch()
        assert (base / "custom_nodes" / "emofeedback" / "seen").exists()
        (tmp_path / "old").rename(tmp_path / "gone") if name == "old" else None


class _Venv(Places):
    """Places whose log lies elsewhere."""

    def __init__(self, places: Places, elsewhere: Places) -> None:
        super().__init__(places.home)
        object.__setattr__(self, "_log", elsewhere.log)

    @property
    def log(self) -> Path:
        return self._log


def _run_set_up(places: Places, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SET_UP],
        cwd=ROOT,
        env=_environment(places, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _kill_set_up_when(places: Places, reached: Callable[[], bool]) -> None:
    child = subprocess.Popen([sys.executable, "-c", SET_UP], cwd=ROOT, env=_environment(places))
    deadline = time.monotonic() + 300
    while not reached():
        assert child.poll() is None, "the set-up ended before the phase that was waited for"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    child.wait()


def _environment(places: Places, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "COMFYUI_PATH"}
    home = {"EMOFEEDBACK_HOME": str(places.home), "PIP_NO_COMPILE": "1"}  # a third of pip's time
    return {**inherited, **home, **variables}


def _no_network() -> dict[str, str]:
    """Settings under which pip finds nobody: port 9 of the loopback interface discards."""
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"http://{HOST}:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
    }
